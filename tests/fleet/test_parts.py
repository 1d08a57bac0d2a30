"""A fleet in a folder of parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sutazai.fleet.errors import BadFleet
from sutazai.fleet.load import load, load_fleet

MAIN = "name: tea-house\nmemory: {reserve: 1GiB}\nagents:\n  pot: {prompt: Brew.}\n"


def written(folder: Path, **parts: str) -> Path:
    for name, text in parts.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def problems(folder: Path) -> list[tuple[str, str]]:
    """Where, and what is wrong."""
    with pytest.raises(BadFleet) as refused:
        load_fleet(folder)
    return [
        (f"{Path(one['file']).name}:{one['line']}:{one['column']}", one["message"])
        for one in refused.value.data["problems"]
    ]


def test_all_parts_are_one_fleet(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        fleet=MAIN,
        more="agents:\n  cup: {prompt: Hold., port: 10400}\nmemory: {total: 64GiB}\n",
    )
    (folder / "notes.txt").write_text("not: [a part")
    fleet = load_fleet(folder)
    assert set(fleet.agents) == {"pot", "cup"}
    assert fleet.agents["cup"].port == 10400
    assert (fleet.memory.reserve, fleet.memory.total) == (1024**3, 64 * 1024**3)


def test_one_part_alone_is_as_its_file(tmp_path: Path) -> None:
    folder = written(tmp_path, fleet=MAIN)
    assert load_fleet(folder) == load_fleet(folder / "fleet.yaml")


def test_a_key_that_two_parts_declare_is_refused_with_both_places(tmp_path: Path) -> None:
    folder = written(
        tmp_path, a=MAIN, b="name: other\nagents:\n  cup: {}\n  pot: {}\n", c="memory: 5\n"
    )
    first = f"{folder / 'a.yaml'}"
    assert problems(folder) == [
        ("b.yaml:1:1", f"`name` is declared twice, first at {first}:1:1"),
        ("b.yaml:4:3", f"`agents.pot` is declared twice, first at {first}:4:3"),
        ("c.yaml:1:1", f"`memory` is declared twice, first at {first}:2:1"),
    ]


def test_what_is_wrong_is_told_with_its_part(tmp_path: Path) -> None:
    folder = written(tmp_path, a=MAIN, b="agents:\n  cup:\n    port: 0\n", c="tier: {}\n")
    places = [place for place, _ in problems(folder)]
    assert places == ["b.yaml:3:11", "c.yaml:1:1"]


def test_a_part_that_is_no_mapping_and_a_folder_without_parts(tmp_path: Path) -> None:
    folder = written(tmp_path, a=MAIN, b="- x\n")
    assert problems(folder) == [
        ("b.yaml:1:1", "a part of a fleet must be keys with values, not a list")
    ]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert problems(empty) == [("empty:1:1", "this is a folder without any *.yaml")]


def test_checks_across_parts_point_at_the_right_one(tmp_path: Path) -> None:
    folder = written(tmp_path, a=MAIN, b="agents:\n  cup:\n    lead: nobody\n")
    loaded = load(folder)
    problem = loaded.positions.problem(("agents", "cup", "lead"), "no such agent")
    assert (Path(problem.file).name, problem.line, problem.column) == ("b.yaml", 3, 11)
