"""Starts a fleet on the state that was just restored, waits until it is well, and has it tested."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import typer

from sutazai.cli.attend import attend
from sutazai.cli.checkpoint_view import smoke_lines
from sutazai.cli.client import connected
from sutazai.cli.config import read_config
from sutazai.cli.emergency_restart import LONGEST
from sutazai.cli.output import FAILED
from sutazai.cli.starting import start_fleet
from sutazai.control.checkpoints.services import pending
from sutazai.control.settings import read_settings
from sutazai.fleet.emergency import Smoke
from sutazai.fleet.errors import DeadlineExceeded
from sutazai.fleet.places import Places

LOADED_WITHIN = 600.0
LOOK_EVERY = 0.5


def start_restored(places: Places, began: float, *, quiet: bool) -> dict[str, Any]:
    """Starts it as it was: core first, then the rest in waves; the smoke tests in the end.

    Args:
        began: when the restore began, by the monotonic clock.
        quiet: what is told meanwhile goes to stderr.

    Raises DeadlineExceeded, and typer.Exit where an agent does not come up or a test fails; what is
    up runs on.
    """
    with redirect_stdout(sys.stderr if quiet else sys.stdout):
        _start(places)
        _wait_for_data(places)
        tests = asyncio.run(_tests(places))
        seconds = time.monotonic() - began
        for line in smoke_lines(tests, seconds):
            print(line)
    if not all(test.passed for test in tests):
        raise typer.Exit(FAILED)
    return {"seconds": round(seconds, 3), "tests": [test.model_dump() for test in tests]}


def _start(places: Places) -> None:
    fleet = read_settings(places).fleet
    config = replace(read_config(places), started=time.time())
    keeper = start_fleet(places, fleet, config, os.environ)
    if code := attend(places, fleet, keeper, detach=True):
        raise typer.Exit(code)


def _wait_for_data(places: Places) -> None:
    """Waits until services have read back their data."""
    services, until = read_settings(places).fleet.services, time.monotonic() + LOADED_WITHIN
    while left := pending(services, places):
        if time.monotonic() > until:
            raise DeadlineExceeded(
                f"the data of {', '.join(left)} are not restored after {LOADED_WITHIN:g} s",
                hint="sutazai events says why; it is tried again for as long as the fleet runs",
            )
        time.sleep(LOOK_EVERY)


async def _tests(places: Places) -> list[Smoke]:
    async with connected(places) as control:
        told = await control.post("/emergency/smoke", within=LONGEST)
    return [Smoke.model_validate(test) for test in told]
