"""`sutazai apply`: what it offers control, and how it goes on watching."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.errors import Conflict
from sutazai.fleet.places import Places
from tests.cli.conftest import CommandLine
from tests.cli.fake_control import FakeControl
from tests.cli.watching import Watch, accepting, write

FLEET = """\
name: sutazai
agents:
  pot: {prompt: Brew., environment: {KEY: "file:key"}}
"""
ROUTE = "POST /revisions"


@pytest.fixture
def file(fleet: Places, control: FakeControl) -> Path:
    """The fleet file of a running fleet, whose control takes everything."""
    path = Path("fleet.yaml")
    path.write_text(FLEET)
    control.answers[ROUTE] = accepting
    return path


def offered(control: FakeControl) -> list[dict[str, Any]]:
    return [each.value for each in control.asked if each.path == "/revisions"]


def prompt(offer: dict[str, Any]) -> str:
    return str(offer["fleet"]["agents"]["pot"]["prompt"])


def test_a_fleet_is_offered_with_its_overlay(
    sutazai: CommandLine, file: Path, control: FakeControl
) -> None:
    Path("overlays").mkdir()
    write(Path("overlays/gpu.yaml"), "agents: {pot: {prompt: Steep.}}\n")
    said = sutazai("apply", "--overlay", "gpu", "--now")
    assert said.code == 0 and "revision 2 is accepted" in said.out
    [offer] = offered(control)
    assert prompt(offer) == "Steep."
    assert (offer["now"], offer["file"]) == (True, str(file.absolute()))
    assert offer["reason"] == "applied from fleet.yaml with overlays/gpu.yaml"


def test_every_change_is_applied(file: Path, control: FakeControl) -> None:
    with Watch() as watch:
        assert watch.next("watching")["sources"] == ["fleet.yaml"]
        assert watch.next("applied")["files"] == []
        write(file, FLEET.replace("Brew.", "Steep."))
        assert watch.next("applied")["files"] == ["fleet.yaml"]
        assert [prompt(each) for each in offered(control)] == ["Brew.", "Steep."]
        assert watch.interrupt() == (0, "")


def test_what_cannot_be_used_is_told_and_the_fleet_stays(file: Path, control: FakeControl) -> None:
    with Watch() as watch:
        watch.next("watching")
        watch.next("applied")
        write(file, FLEET.replace("prompt", "promt"))
        [problem] = watch.next("refused")["error"]["data"]["problems"]
        assert (problem["line"], problem["message"]) == (3, "unknown key `promt` in agent `pot`")
        write(file, FLEET.replace("Brew.", "Steep."))
        watch.next("applied")
        assert [prompt(each) for each in offered(control)] == ["Brew.", "Steep."]


def test_a_change_in_a_rollout_waits_for_its_end(file: Path, control: FakeControl) -> None:
    with Watch() as watch:
        watch.next("watching")
        watch.next("applied")
        control.refuse(ROUTE, Conflict("rollout 1 moves agents to revision 2", rollout=1))
        write(file, FLEET.replace("Brew.", "Steep."))
        assert "rollout 1" in watch.next("waiting")["error"]["message"]
        write(file, FLEET.replace("Brew.", "Stir."))
        control.answers[ROUTE] = accepting
        while prompt(offered(control)[-1]) != "Stir.":
            watch.next("applied")


def test_a_control_that_is_away_is_waited_for(file: Path, fleet: Places) -> None:
    config = fleet.config.read_text()
    with Watch() as watch:
        watch.next("watching")
        watch.next("applied")
        fleet.config.unlink()
        write(file, FLEET.replace("Brew.", "Steep."))
        assert watch.next("waiting")["error"]["code"] == "NotRunning"
        write(fleet.config, config)
        assert watch.next("applied")["files"] == ["fleet.yaml"]


def test_parts_overlays_and_secrets_are_watched(file: Path, control: FakeControl) -> None:
    Path("overlays").mkdir()
    overlay, key = Path("overlays/gpu.yaml"), Path("key").absolute()
    write(overlay, "agents: {pot: {prompt: Steep.}}\n")
    here = os.curdir
    with Watch(here, "--overlay", "gpu") as watch:
        watching = watch.next("watching")
        assert watching["sources"] == ["fleet.yaml", "overlays/gpu.yaml"]
        assert watching["secrets"] == [str(key)]
        watch.next("applied")
        write(Path("more.yaml"), "agents: {cup: {}}\n")
        assert watch.next("applied")["files"] == ["more.yaml"]
        write(overlay, "agents: {pot: {prompt: Stir.}}\n")
        assert watch.next("applied")["files"] == ["overlays/gpu.yaml"]
        write(key, "secret")
        assert watch.next("applied")["files"] == [str(key)]
    assert [prompt(each) for each in offered(control)] == ["Steep."] * 2 + ["Stir."] * 2
    assert "cup" in offered(control)[-1]["fleet"]["agents"]


def test_what_is_removed_is_told_and_takes_nothing_away(file: Path, control: FakeControl) -> None:
    more = Path("more.yaml")
    write(more, "agents: {cup: {}}\n")
    with Watch(os.curdir) as watch:
        watch.next("watching")
        watch.next("applied")
        shutil.move(more, "away")
        assert watch.next("gone")["files"] == ["more.yaml"]
        write(file, FLEET.replace("Brew.", "Steep."))
        shutil.move("away", more)
        assert watch.next("applied")["files"] == ["fleet.yaml"]
    assert ["cup" in each["fleet"]["agents"] for each in offered(control)] == [True, True]


def test_what_is_wrong_at_the_start_ends_it(sutazai: CommandLine, file: Path) -> None:
    assert sutazai("apply", "--watch", "--dry-run").code == 2
    file.write_text("name: 5\n")
    refused = sutazai("apply", "--watch")
    assert refused.code == 2 and "fleet.yaml:1:7" in refused.err
    assert sutazai("apply", "nowhere.yaml", "--watch").code == 2
    file.unlink()
    refused = sutazai("apply", "--watch")
    assert refused.code == 2 and "there is no file to watch" in refused.err
