"""How the instances of one unit ended so far, and when the next one may start."""

from __future__ import annotations

import random
import time
from typing import Any

from sutazai.fleet.status import Exit
from sutazai.host.events import Events
from sutazai.host.units.backoff import Backoff
from sutazai.host.units.pacing import Pace


class Past:
    """The unwanted ends of one unit.

    Args:
        pace: told of them, unless they are those of a ``patient`` unit.
        patient: whether it is tried again for ever.

    Attributes:
        restarts: how often an instance ended though it should not.
        last_exit: how the last of those ended.
    """

    def __init__(self, unit: str, events: Events, pace: Pace, *, patient: bool) -> None:
        self.restarts = 0
        self.last_exit: Exit | None = None
        self.backoff = Backoff(patient=patient)
        self._unit = unit
        self._events = events
        self._pace = pace

    def forgive(self) -> None:
        """What was does not count any more."""
        self.backoff = self.backoff.forgiven()

    def note(self, exit_: Exit, healthy_for: float) -> None:
        """An instance ended that had been in good health for so many seconds."""
        self.last_exit = exit_
        self.restarts += 1
        now = time.monotonic()
        self.backoff = self.backoff.ended(
            now=now,
            healthy_for=healthy_for,
            jitter=random.random(),  # noqa: S311 (spreads restarts, guards nothing)
        )
        if not self.backoff.patient:
            self._pace.ended(now)
        failed = self.backoff.failed
        outcome = "will not be started again" if failed else "is started again"
        self._events.add(
            "failed" if failed else "ended",
            f"{exit_.instance or self._unit} {exit_.reason}; {self._unit} {outcome}",
            unit=self._unit,
            ends_in_a_row=self.backoff.ends,
            out_of_memory=exit_.out_of_memory,
            peak=exit_.peak,
            limit=exit_.limit,
            lines=list(exit_.lines),
        )

    def told(self) -> dict[str, Any]:
        """The last end as whoever waits in vain is told of it."""
        if self.last_exit is None:
            return {}
        return {"reason": self.last_exit.reason, "lines": list(self.last_exit.lines)}
