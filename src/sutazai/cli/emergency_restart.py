"""Waits for the new life of a fleet that was told to restart, and has it tested."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sutazai.cli import fleets
from sutazai.cli.client import connected
from sutazai.cli.console import console
from sutazai.cli.emergency_view import outcome_view, plan_view
from sutazai.cli.output import print_json
from sutazai.client import Control
from sutazai.fleet.emergency import RestartPlan, Smoke
from sutazai.fleet.errors import DeadlineExceeded, NotRunning, SutazaiError
from sutazai.fleet.places import Places
from sutazai.fleet.status import FleetStatus, HostStatus, State, UnitStatus
from sutazai.wire import Address, Client, Timeout

RESTART_WITHIN = 300.0
LOOK_EVERY = 0.5
QUICK = Timeout(connect=1.0, headers=5.0, idle=5.0)
LONGEST = 200.0
"""Seconds that the smoke tests have, which bound themselves."""
WELL = (State.HEALTHY, State.EXTERNAL)
FINAL = (*WELL, State.FAILED, State.NOT_INSTALLED, State.STOPPED)
"""States that do not change by waiting."""


@dataclass(frozen=True)
class Outcome:
    """What came back: units that should run, those of them that are not well, the tests."""

    wanted: int
    late: tuple[UnitStatus, ...]
    tests: tuple[Smoke, ...]
    seconds: float

    @property
    def good(self) -> bool:
        return not self.late and all(test.passed for test in self.tests)


def restart_fleet(state: Path | None, *, dry_run: bool, within: float, as_json: bool) -> int:
    """Has everything restarted; the exit code. Raises DeadlineExceeded after ``within`` seconds."""
    places = fleets.running(state)
    plan, outcome = asyncio.run(_restart(places, dry_run=dry_run, within=within, quiet=as_json))
    if as_json:
        print_json(_document(plan, outcome))
    elif outcome is not None:
        well = outcome.wanted - len(outcome.late)
        console().print(outcome_view(outcome.late, well, outcome.tests, outcome.seconds))
    return 0 if outcome is None or outcome.good else 1


async def _restart(
    places: Places, *, dry_run: bool, within: float, quiet: bool
) -> tuple[RestartPlan, Outcome | None]:
    began = time.monotonic()
    async with Client() as client, connected(places) as control:
        asked = {"dry_run": dry_run}
        plan = RestartPlan.model_validate(await control.post("/emergency/restart", asked))
        if not quiet:
            print(plan_view(plan), flush=True)
        if dry_run:
            return plan, None
        try:
            async with asyncio.timeout(within):
                await _new_host(client, places, plan.host)
                late = await _settled(places, control, frozenset(plan.starts))
                tests = await control.post("/emergency/smoke", within=LONGEST)
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"the restart was not done after {within:g} s",
                hint="sutazai status says what is missing; sutazai down and up start from nothing",
            ) from error
    smoke = tuple(Smoke.model_validate(test) for test in tests)
    return plan, Outcome(len(plan.starts), late, smoke, time.monotonic() - began)


async def _new_host(client: Client, places: Places, old: int) -> None:
    """Waits until everything has ended and another host answers."""
    address = Address.parse(f"unix:{places.host_socket}")

    async def is_new() -> bool:
        value = await client.call("GET", address, "/status", timeout=QUICK)
        return HostStatus.model_validate(value).pid != old

    await _until(places, is_new)


async def _settled(
    places: Places, control: Control, wanted: frozenset[str]
) -> tuple[UnitStatus, ...]:
    """Those of the units that should run which do not, once waiting does not help any more."""
    late: tuple[UnitStatus, ...] = ()

    async def is_settled() -> bool:
        nonlocal late
        units = _units(await control.status(), wanted)
        late = tuple(unit for unit in units if unit.state not in WELL)
        return len(units) == len(wanted) and all(unit.state in FINAL for unit in late)

    await _until(places, is_settled)
    return late


async def _until(places: Places, holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits until that holds; while who is asked restarts, it does not. Raises NotRunning."""
    while True:
        if not fleets.is_running(places):
            raise NotRunning("the keeper of this fleet ended", hint="sutazai up")
        with suppress(SutazaiError):
            if await holds():
                return
        await asyncio.sleep(LOOK_EVERY)


def _units(status: FleetStatus, wanted: frozenset[str]) -> list[UnitStatus]:
    known = (*status.planes, *status.services, *status.agents)
    return [unit for unit in known if unit.name in wanted]


def _document(plan: RestartPlan, outcome: Outcome | None) -> dict[str, object]:
    document: dict[str, object] = {"plan": plan.model_dump(mode="json")}
    if outcome is not None:
        document |= {
            "good": outcome.good,
            "seconds": round(outcome.seconds, 3),
            "late": [unit.model_dump(mode="json") for unit in outcome.late],
            "tests": [test.model_dump(mode="json") for test in outcome.tests],
        }
    return document
