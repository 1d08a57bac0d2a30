"""Ends the instances that the policy chose, and accounts for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from sutazai.fleet.errors import NotFound
from sutazai.fleet.spec import Runtime
from sutazai.fleet.status import Level, State
from sutazai.fleet.units import format_size
from sutazai.host.events import Events
from sutazai.host.instances.instance import Instance
from sutazai.host.pressure.choice import Candidate, may_end
from sutazai.host.pressure.levels import Reading
from sutazai.host.pressure.policy import End
from sutazai.host.pressure.telling import tell
from sutazai.host.pressure.words import DONE, account_of, reason_of
from sutazai.host.units.supervisor import Supervisor
from sutazai.host.units.unit import Unit
from sutazai.wire import Client

ENDED = "ended"
WITHIN = 15.0
"""Seconds after which an instance that has not ended is told as such."""
ACTIONS = {Level.WARNING: "suspend", Level.CRITICAL: "suspend", Level.EMERGENCY: "kill"}
"""What an agent is told that will happen."""


class Ender:
    """Ends instances on one machine. ``read`` tells how much memory is in use."""

    def __init__(
        self, supervisor: Supervisor, client: Client, events: Events, read: Callable[[], Reading]
    ) -> None:
        self._supervisor = supervisor
        self._client = client
        self._events = events
        self._read = read

    async def carry_out(self, end: End, seen: Reading) -> list[tuple[Candidate, str]]:
        """Ends all that were chosen, at once; returns when they have ended, each with what became
        of it."""
        reason = reason_of(end, seen)
        became = await asyncio.gather(*(self._end(one, end, reason) for one in end.chosen))
        outcomes = list(zip(end.chosen, became, strict=True))
        account = account_of(end, outcomes, seen, self._read())
        ended = [one.instance for one, outcome in outcomes if outcome == ENDED]
        self._events.add(
            f"pressure-{ACTIONS[end.level]}",
            f"{DONE[end.level]}: {', '.join(ended) or 'nobody'}; freed "
            f"{format_size(account['freed'])} ({'asked for' if end.asked else end.level}: {seen})",
            **account,
        )
        return outcomes

    async def _end(self, one: Candidate, end: End, reason: str) -> str:
        """Tells one and ends it; what became of it."""
        found = self._find(one)
        if found is None:
            return "was gone"
        unit, instance = found
        if unit.spec.runtime is Runtime.PYTHON:
            await tell(self._client, instance, level=end.level, action=ACTIONS[end.level])
            if instance.state is State.STOPPING:
                return "ended otherwise"
            if not may_end(end.level, replace(one, idle=instance.idle, serves=instance.serves)):
                return "spared: it has work again"
        unit.withhold(instance, reason, patience=0.0 if end.level is Level.EMERGENCY else None)
        try:
            async with asyncio.timeout(WITHIN):
                await unit.gone(instance)
        except TimeoutError:
            return "still ending"
        return ENDED

    def _find(self, one: Candidate) -> tuple[Unit, Instance] | None:
        try:
            unit = self._supervisor.unit(one.unit)
        except NotFound:
            return None
        return next(((unit, each) for each in unit.instances if each.name == one.instance), None)
