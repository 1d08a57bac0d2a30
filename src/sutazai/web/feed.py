"""What all viewers see of the fleet, asked for once for all of them, and only while one looks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import Any

from sutazai.client import Control
from sutazai.fleet.alert_status import Alert
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.status import Event, FleetStatus

FRESH = 1.0
"""Seconds for which what was seen is new enough."""
GLANCE = 1.0
"""Seconds that a page which opens waits for news."""
EVENTS = 200


@dataclass(frozen=True)
class View:
    """The fleet at one moment; of ``alerts`` those that fire, the cause first.

    ``seen`` is the time in seconds since 1970 at which control last answered, 0 before the first
    answer; ``trouble`` says why what is here is older than it should be.
    """

    status: FleetStatus | None = None
    events: tuple[Event, ...] = ()
    alerts: tuple[Alert, ...] = ()
    open_tasks: int = 0
    seen: float = 0.0
    trouble: str = ""


@dataclass
class Feed:
    """Looks at the fleet for every page."""

    control: Control
    view: View = field(default_factory=View)
    _looking: asyncio.Task[View] | None = None
    _looked: float = float("-inf")

    async def look(self) -> View:
        """The fleet as it is now; at most one request is under way however many ask."""
        if time.monotonic() - self._looked < FRESH:
            return self.view
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="look at the fleet")
        return await asyncio.shield(self._looking)

    async def glance(self) -> View:
        """The same for a page that opens: after a second it stands there without news."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GLANCE):
                await self.look()
        return self.view

    async def _look(self) -> View:
        try:
            status, events, alerts, tasks = await asyncio.gather(
                self.control.status(),
                self.control.get("/events", limit=EVENTS),
                self.control.get("/alerts", state="firing"),
                self.control.get("/tasks/open"),
            )
            self.view = _view(status, events, alerts, tasks)
        except SutazaiError as error:
            self.view = replace(self.view, trouble=error.message)
        self._looked = time.monotonic()
        return self.view


def _view(
    status: FleetStatus,
    events: list[dict[str, Any]],
    alerts: list[dict[str, Any]],
    tasks: dict[str, int],
) -> View:
    return View(
        status=status,
        events=tuple(Event.model_validate(event) for event in reversed(events)),
        alerts=tuple(Alert.model_validate(alert) for alert in alerts),
        open_tasks=sum(tasks.values()),
        seen=time.time(),
    )
