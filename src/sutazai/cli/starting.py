"""Starts the keeper, which starts everything else."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sutazai.cli.config import Config
from sutazai.cli.folder import environment_of, listener_batches, make_state_folder, write_state
from sutazai.cli.keeper_link import ask_keeper
from sutazai.cli.stopping import stop_fleet
from sutazai.fleet.errors import DeadlineExceeded, Failed, SutazaiError, from_dict
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Fleet

READY_WITHIN = 30.0
LISTEN_WITHIN = 10.0
END_WITHIN = 60.0
READY_MAX = 65536


def start_fleet(
    places: Places, fleet: Fleet, config: Config, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the fleet's keeper; returns it once all ports are held and the host is started.

    Args:
        environment: that of this process; only what a fleet should see of it is passed on.

    Raises PortTaken, Refused, AlreadyRunning and what else the keeper says, with nothing left.
    """
    make_state_folder(places)
    keeper_file = write_state(places, fleet, config)
    keeper = _started(keeper_file, environment_of(places, fleet, environment), places)
    try:
        for batch in listener_batches(fleet)[1:]:
            ask_keeper(places, {"op": "listen", "listeners": batch}, deadline=LISTEN_WITHIN)
    except (SutazaiError, KeyboardInterrupt):
        stop_fleet(places)
        raise
    return keeper


def _started(
    keeper_file: Path, environment: dict[str, str], places: Places
) -> subprocess.Popen[bytes]:
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    try:
        keeper = _spawn(keeper_file, environment, places, theirs)
    finally:
        os.close(theirs)
    try:
        _check(_ready_line(ours), keeper, places)
    except (SutazaiError, KeyboardInterrupt):
        _end(keeper)
        raise
    finally:
        os.close(ours)
    return keeper


def _end(keeper: subprocess.Popen[bytes]) -> None:
    """A keeper that is asked to end takes everything that it started with it."""
    keeper.terminate()
    try:
        keeper.wait(END_WITHIN)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait(END_WITHIN)


def _spawn(
    keeper_file: Path, environment: dict[str, str], places: Places, ready: int
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sutazai.keeper", str(keeper_file), "--ready-fd", str(ready)]
    with (places.logs / "keeper.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=places.state,
            env=environment,
            pass_fds=[ready],
            start_new_session=True,
        )


def _ready_line(descriptor: int) -> bytes:
    """The keeper's first and only line; empty where it ended without one."""
    line, until = b"", time.monotonic() + READY_WITHIN
    while b"\n" not in line and len(line) < READY_MAX:
        readable, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        if not readable:
            raise DeadlineExceeded(f"the keeper was not ready within {READY_WITHIN:.0f} s")
        piece = os.read(descriptor, READY_MAX)
        if not piece:
            break
        line += piece
    return line


def _check(line: bytes, keeper: subprocess.Popen[bytes], places: Places) -> None:
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise Failed(
            f"the keeper ended before it was ready (status {keeper.wait(END_WITHIN)})",
            hint=f"its log says why: {places.logs / 'keeper.log'}",
        ) from error
    if "error" in said:
        raise from_dict(said["error"])
