"""What one machine has otherwise, laid over its fleet file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sutazai.fleet.errors import BadFleet
from sutazai.fleet.load import LoadedFleet, load
from sutazai.fleet.problems import Problem

MAIN = """\
name: tea-house
memory: {reserve: 1GiB, total: 8GiB}
agents:
  pot:
    prompt: Brew.
    memory: lightweight
    depends_on: [kettle, stove]
    environment: {HEAT: high, WATER: soft}
  cup:
    prompt: Hold.
services:
  kettle: {runtime: command, command: [boil]}
  stove: {runtime: command, command: [burn]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(MAIN)
    (tmp_path / "overlays").mkdir()
    return tmp_path


def laid(folder: Path, overlay: str, over: str = "fleet.yaml") -> LoadedFleet:
    path = folder / "overlays" / "here.yaml"
    path.write_text(overlay)
    return load(folder / over, overlay=path)


def problems(folder: Path, overlay: str) -> list[tuple[str, str]]:
    """Where, and what is wrong."""
    with pytest.raises(BadFleet) as refused:
        laid(folder, overlay)
    found = [Problem(**one) for one in refused.value.data["problems"]]
    return [(place(one), one.message) for one in found]


def place(problem: Problem) -> str:
    return f"{Path(problem.file).name}:{problem.line}:{problem.column}"


def test_keys_are_merged_and_everything_else_is_replaced(folder: Path) -> None:
    fleet = laid(
        folder,
        "memory: {total: 64GiB}\n"
        "agents:\n"
        "  pot:\n"
        "    depends_on: [stove]\n"
        "    environment: {HEAT: low}\n"
        "  tray: {prompt: Carry.}\n",
    ).fleet
    assert (fleet.memory.total, fleet.memory.reserve) == (64 * 1024**3, 1024**3)
    pot = fleet.agents["pot"]
    assert (pot.prompt, pot.depends_on) == ("Brew.", ("stove",))
    assert pot.environment == {"HEAT": "low", "WATER": "soft"}
    assert set(fleet.agents) == {"pot", "cup", "tray"}


def test_a_key_without_a_value_takes_away(folder: Path) -> None:
    fleet = laid(
        folder,
        "memory:\n"
        "agents:\n"
        "  cup:\n"
        "  pot: {memory: , depends_on: , environment: {HEAT: }}\n"
        "services: {kettle: }\n",
    ).fleet
    assert set(fleet.agents) == {"pot"} and set(fleet.services) == {"stove"}
    assert (fleet.agents["pot"].memory, fleet.agents["pot"].depends_on) == ("standard", ())
    assert fleet.agents["pot"].environment == {"WATER": "soft"}
    assert fleet.memory.total is None


def test_over_a_built_in_agent_it_takes_away_what_that_has(folder: Path) -> None:
    (folder / "fleet.yaml").write_text("name: tea-house\ncatalogue: [planner]\n")
    assert laid(folder, "agents: {planner: {}}\n").fleet.agents["planner"].prompt
    assert not laid(folder, "agents: {planner: {prompt: }}\n").fleet.agents["planner"].prompt


def test_what_is_wrong_in_it_is_told_with_its_place(folder: Path) -> None:
    assert problems(
        folder,
        "tier: {}\nagents:\n  pot:\n    port: 0\n    temprature: hot\n  mug:\nname: other\n",
    ) == [
        ("here.yaml:1:1", "unknown key `tier` in the fleet"),
        ("here.yaml:4:11", "`port` must be at least 1, not 0"),
        ("here.yaml:5:5", "unknown key `temprature` in agent `pot`"),
        ("here.yaml:6:3", "there is no `agents.mug` to take away"),
        ("here.yaml:7:1", "an overlay cannot change `name`"),
    ]
    assert problems(folder, "- pot\n") == [
        ("here.yaml:1:1", "an overlay must be keys with values, not a list")
    ]


def test_what_is_wrong_below_it_is_told_with_the_files_own_place(folder: Path) -> None:
    (folder / "fleet.yaml").write_text(MAIN.replace("lightweight", "heavy"))
    assert [at for at, _ in problems(folder, "agents:\n  pot:\n    port: 0\n")] == [
        "fleet.yaml:6:13",
        "here.yaml:3:11",
    ]
    assert laid(folder, "agents: {pot: {memory: 1GiB}}\n").fleet.agents["pot"].memory == "1GiB"


def test_a_replaced_list_leaves_no_place_behind(folder: Path) -> None:
    positions = laid(folder, "agents:\n  pot:\n    depends_on: [stove]\n").positions
    at = ("agents", "pot", "depends_on")
    assert place(positions.problem((*at, 0), "")) == "here.yaml:3:18"
    assert place(positions.problem((*at, 1), "", at_key=True)) == "here.yaml:3:5"
    assert place(positions.problem(("agents", "pot", "tier"), "")) == "fleet.yaml:4:3"


def test_it_lies_over_a_folder_of_parts_too(folder: Path) -> None:
    (folder / "more.yaml").write_text("agents:\n  jug: {prompt: Pour., port: 10400}\n")
    loaded = laid(folder, "agents: {jug: {port: 10401}, pot: {port: 10402}}\n", over=".")
    assert (loaded.fleet.agents["jug"].port, loaded.fleet.agents["pot"].port) == (10401, 10402)
    prompt, port = (
        place(loaded.positions.problem(("agents", "jug", key), "")) for key in ("prompt", "port")
    )
    assert (prompt, port) == ("more.yaml:2:17", "here.yaml:1:22")
