"""What the systemd unit runs, run as systemd runs it: told when ready, killed, started again."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.asking import ask_control
from tests.e2e.faults import Model
from tests.e2e.fleet import PATIENCE, Fleet, eventually
from tests.e2e.test_survival import agent_pids, host_pid

FLEET = """
name: kept
backends: {{fake: {{url: "{model}"}}}}
agents:
  sleeper:
    runtime: command
    command: [sleep, "100000"]
    temperature: hot
"""


CLEAN = (0, -signal.SIGTERM)
"""Ends that systemd takes as no failure; `down` may hasten the last moment of a keeper."""


class Systemd:
    """Starts a unit's command as a `Type=notify` service that restarts on failure."""

    def __init__(self, fleet: Fleet, unit: str) -> None:
        line = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
        self.command = shlex.split(line.removeprefix("ExecStart="))
        address = str(fleet.folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._environment = {**fleet.environment, "NOTIFY_SOCKET": address}

    def start(self, tries: int = 5) -> subprocess.Popen[bytes]:
        """The service, once it has told that it is ready."""
        service = subprocess.Popen(
            self.command, env=self._environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        told = eventually(lambda: self._told() or service.poll() is not None, 60, "it is ready")
        if told is True and tries > 1:
            return self.start(tries - 1)
        assert told == ["READY=1", f"MAINPID={service.pid}"]
        return service

    def _told(self) -> list[str]:
        with suppress(BlockingIOError):
            return self._socket.recv(4096, socket.MSG_DONTWAIT).decode().splitlines()
        return []

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def fleet(tmp_path: Path, steady_model: Model) -> Iterator[Fleet]:
    (tmp_path / "fleet.yaml").write_text(FLEET.format(model=steady_model.url))
    fleet = Fleet(tmp_path / "fleet.yaml")
    yield fleet
    fleet.stop()


@pytest.fixture
def systemd(fleet: Fleet) -> Iterator[Systemd]:
    options = ("-f", str(fleet.file), "--port-base", str(fleet.port_base))
    systemd = Systemd(fleet, fleet.must("install-service", "--print", *options))
    yield systemd
    systemd.close()


def runs(fleet: Fleet) -> bool:
    if not (fleet.state / "token").exists():
        return False
    status = ask_control(fleet, "GET", "/status")
    return status is not None and [one["state"] for one in status["agents"]] == ["healthy"]


def test_a_killed_keeper_comes_back_and_adopts_and_down_ends_the_service(
    fleet: Fleet, systemd: Systemd
) -> None:
    first = systemd.start()
    eventually(lambda: runs(fleet), 60, "the fleet runs")
    agents, host = agent_pids(fleet), host_pid(fleet)

    first.kill()
    assert first.wait(30) == -signal.SIGKILL
    second = systemd.start()

    eventually(lambda: host_pid(fleet) not in (0, host), 60, "a host of the new keeper")
    eventually(lambda: runs(fleet), 60, "the fleet goes on")
    assert agent_pids(fleet) == agents
    assert fleet.cli("down").returncode == 0
    assert second.wait(60) in CLEAN  # so it is not started again
    assert fleet.processes() == []


@pytest.mark.soak
def test_systemds_stop_ends_everything(fleet: Fleet, systemd: Systemd) -> None:
    service = systemd.start()
    eventually(lambda: runs(fleet), 60, "the fleet runs")

    os.kill(service.pid, signal.SIGTERM)

    assert service.wait(90) in CLEAN
    assert fleet.processes() == []


@pytest.mark.soak
def test_a_fleet_that_runs_already_is_left_alone(fleet: Fleet, systemd: Systemd) -> None:
    fleet.up()
    before = (fleet.state / "config.json").read_bytes()

    done = subprocess.run(
        systemd.command, env=fleet.environment, capture_output=True, text=True, timeout=PATIENCE
    )

    assert done.returncode == 5  # which the unit names as not to be tried again
    assert "runs already" in done.stderr
    assert (fleet.state / "config.json").read_bytes() == before
    assert runs(fleet)
