"""Which fleet is meant, when none runs, and what is typed then."""

from __future__ import annotations

from pathlib import Path

import pytest

from sutazai.cli import fleets
from sutazai.fleet.errors import BadInput, NotRunning
from sutazai.fleet.places import Places, state_root
from tests.cli.conftest import CommandLine, Keeper, running_fleet


def test_an_option_comes_before_everything_else(tmp_path: Path) -> None:
    Path("fleet.yaml").write_text("name: here\n")

    assert fleets.chosen(tmp_path / "mine") == Places.of(tmp_path / "mine")


def test_then_the_fleet_that_the_file_in_this_folder_names() -> None:
    Path("fleet.yaml").write_text('# mine\nversion: 1\nname: "team-blue"  # ours\nagents: {}\n')

    assert fleets.chosen(None).state == state_root() / "team-blue"


def test_a_name_inside_something_else_is_not_the_fleets() -> None:
    Path("fleet.yaml").write_text("version: 1\nagents:\n  a:\n    options:\n      name: nobody\n")

    assert fleets.chosen(None) == fleets.default_places()


def test_then_the_only_one_that_runs() -> None:
    places = running_fleet("blue", 1)
    running_fleet("red", 2)
    keeper = Keeper(places)

    assert fleets.chosen(None) == places
    keeper.die()
    assert fleets.chosen(None) == fleets.default_places()


def test_where_several_run_it_says_which_and_how_to_choose() -> None:
    keepers = [Keeper(running_fleet(name, 1)) for name in ("blue", "red")]

    with pytest.raises(BadInput, match="several fleets run: blue, red") as refused:
        fleets.chosen(None)

    assert f"--state {state_root() / 'red'}" in (refused.value.hint or "")
    for keeper in keepers:
        keeper.die()


def test_a_lock_without_a_living_keeper_is_no_running_fleet() -> None:
    places = running_fleet("blue", 1)
    Keeper(places).die()

    assert not fleets.is_running(places)
    with pytest.raises(NotRunning):
        fleets.running(places.state)


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("status", "--json"),
        ("events",),
        ("agents", "list"),
        ("agents", "show", "planner"),
        ("agents", "restart", "planner"),
        ("agents", "logs", "planner"),
        ("ask", "planner", "hello"),
        ("run",),
        ("runs", "list"),
    ],
)
def test_with_no_fleet_running_each_command_says_so_and_what_to_type(
    sutazai: CommandLine, words: tuple[str, ...]
) -> None:
    said = sutazai(*words)

    assert said.code == 6
    assert said.out == ""
    assert "no fleet runs on" in said.err
    assert "sutazai up" in said.err


def test_where_another_one_runs_it_is_named(sutazai: CommandLine) -> None:
    blue = running_fleet("blue", 1)
    keeper = Keeper(blue)
    Path("fleet.yaml").write_text("name: red\n")

    said = sutazai("status")

    keeper.die()
    assert said.code == 6
    assert f"--state {blue.state}" in said.err


def test_the_environment_can_say_which(
    sutazai: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUTAZAI_STATE", str(tmp_path / "elsewhere"))

    assert f"no fleet runs on {tmp_path / 'elsewhere'}" in sutazai("status").err


def test_down_with_nothing_running_is_fine(sutazai: CommandLine) -> None:
    said = sutazai("down")

    assert said.code == 0
    assert "nothing was running" in said.out
