"""The digest of an agent's code: what changes it, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sutazai.fleet.code import code_of, codes_of
from sutazai.fleet.spec import Agent, Fleet

ENTRY = "tea:Tea"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tea.py").write_text("class Tea: pass\n")
    return tmp_path


def test_the_same_code_has_the_same_digest_wherever_it_is(folder: Path) -> None:
    before = code_of(folder, ENTRY)
    moved = folder.rename(folder.with_name("moved"))
    assert before == code_of(moved, ENTRY) != ""


@pytest.mark.parametrize(
    "name", ["tea.py", "beside.py", "package/__init__.py", "package/deep/__init__.py"]
)
def test_what_may_be_imported_from_there_counts(folder: Path, name: str) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "deep").mkdir()
    before = code_of(folder, ENTRY)
    (folder / name).write_text("changed = True\n")
    assert code_of(folder, ENTRY) != before


@pytest.mark.parametrize(
    "name", ["notes.txt", "no-package/a.py", "scripts/a.py", "env/lib/a.py", "__pycache__/a.py"]
)
def test_what_is_not_imported_from_there_does_not(folder: Path, name: str) -> None:
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").touch()
    before = code_of(folder, ENTRY)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("changed = True\n")
    assert code_of(folder, ENTRY) == before


def test_an_own_package_counts_whole(tmp_path: Path) -> None:
    (tmp_path / "tea" / "sorts").mkdir(parents=True)
    before = code_of(tmp_path, "tea.sorts.green:Green")
    (tmp_path / "tea" / "sorts" / "green.py").write_text("class Green: pass\n")
    assert code_of(tmp_path, "tea.sorts.green:Green") != before


def test_requirements_count_too(folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text("teapot==1\n")
    before = code_of(folder, ENTRY, requirements)
    requirements.write_text("teapot==2\n")
    assert len({before, code_of(folder, ENTRY), code_of(folder, ENTRY, requirements)}) == 3


def test_only_agents_with_code_of_their_own_have_a_digest(folder: Path) -> None:
    agents = {
        "tea": Agent.model_validate({"class": ENTRY}),
        "role": Agent(prompt="Answer."),
        "tool": Agent.model_validate({"class": "sutazai.agent.tool:ToolAgent"}),
        "program": Agent.model_validate({"runtime": "command", "command": ["true"]}),
    }
    assert codes_of(Fleet(name="f", agents=agents), folder) == {"tea": code_of(folder, ENTRY)}


@pytest.mark.parametrize(
    ("declared", "wrong"),
    [
        ({"runtime": "command", "command": ["true"], "python": "env"}, "`python` is for runtime"),
        ({"class": ENTRY, "python": "env", "requirements": "r.txt"}, "give either"),
    ],
)
def test_environments_that_contradict_each_other_are_refused(
    declared: dict[str, object], wrong: str
) -> None:
    with pytest.raises(ValueError, match=wrong):
        Agent.model_validate(declared)
