"""What the tests of the command line share: a private home, a way to call it, a fake control."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sutazai.cli.main import main
from sutazai.fleet.places import Places
from tests.cli.fake_control import FakeControl


@dataclass(frozen=True)
class Said:
    """What one command printed and how it ended."""

    code: int
    out: str
    err: str


class CommandLine:
    """Calls ``sutazai`` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Said:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home of its own, with nothing of the caller's fleet settings."""
    for name in [name for name in os.environ if name.startswith("SUTAZAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("NO_COLOR", "1")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    with tempfile.TemporaryDirectory(prefix="sutazai-") as runtime:  # short, for sockets
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        yield


@pytest.fixture
def sutazai(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


@pytest.fixture
def control() -> Iterator[FakeControl]:
    with FakeControl() as running:
        yield running


class Keeper:
    """Stands for a living keeper: it holds the lock of a fleet, and nothing else."""

    def __init__(self, places: Places) -> None:
        places.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(places.lock, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def die(self) -> None:
        os.close(self._lock)


def running_fleet(name: str, port: int, token: str = "secret") -> Places:
    """A state folder as `up` leaves it, whose control listens on ``port``."""
    places = Places.of(Path(os.environ["XDG_STATE_HOME"]) / "sutazai" / name)
    places.state.mkdir(parents=True)
    ports = {"host": "127.0.0.1", "control": port, "gateway": port}
    config = {"fleet": name, "fleet_file": None, "started": time.time(), "ports": ports}
    places.config.write_text(json.dumps(config))
    places.token.write_text(token)
    return places


@pytest.fixture
def fleet(control: FakeControl) -> Iterator[Places]:
    """The default fleet, running, with the fake control behind it."""
    places = running_fleet("sutazai", control.port)
    keeper = Keeper(places)
    yield places
    keeper.die()
