"""Whichever process is killed, `sutazai down` leaves none behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet, eventually, running

TINY = """
name: tiny
backends: {{fake: {{url: "{model}"}}}}
agents:
  one: {{temperature: hot, prompt: "Answer."}}
  two: {{runtime: command, command: ["sh", "-c", "sleep 1000 & sleep 1000"], temperature: hot}}
"""

LATER = [
    pytest.param(each, marks=pytest.mark.soak) for each in ("gateway", "control", "zygote", "one")
]
"""Victims that are left to long runs."""


@pytest.mark.parametrize("victim", ["keeper", "host", *LATER])
def test_down_ends_everything_after_a_kill(
    tmp_path: Path, steady_model: Model, victim: str
) -> None:
    (tmp_path / "fleet.yaml").write_text(TINY.format(model=steady_model.url))
    with running(tmp_path / "fleet.yaml") as fleet:
        os.kill(pid_of(fleet, victim), signal.SIGKILL)
        down = fleet.cli("down")
        assert down.returncode == 0, down.stdout + down.stderr
        eventually(lambda: not fleet.processes(), 60, f"no process left, {fleet.processes()}")


def pid_of(fleet: Fleet, victim: str) -> int:
    if victim == "one":
        return int(fleet.agent("one")["instances"][0]["pid"])
    module = "sutazai.agent.zygote" if victim == "zygote" else f"sutazai.{victim}"
    for pid in fleet.processes():
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            comm = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:  # it ended meanwhile
            continue
        if module.encode() in arguments and (victim != "zygote" or comm == "zygote"):
            return pid
    raise AssertionError(f"no {victim}")
