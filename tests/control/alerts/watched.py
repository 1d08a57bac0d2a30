"""A desk over samples that a test sets, with a clock that it turns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sutazai.control.alerts.desk import AlertDesk, Ends
from sutazai.fleet.load import parse_fleet
from sutazai.fleet.spec import Fleet
from sutazai.observe.samples import Sample

START = 1_800_000_000.0


def fleet(**notify: Any) -> Fleet:
    """One rule more, ``heat > 5``, and whom ``notify`` says."""
    hot = {"metric": "heat", "value": 5, "hold_off": "0s", "summary": "too hot: {agent}"}
    keys = {"name": "small", "alerts": {"hot": hot}, "notify": {"wait": "0s", **notify}}
    return parse_fleet(json.dumps(keys), file="fleet.yaml")


class Watched:
    """What the desk sees, and what it told."""

    def __init__(self, path: Path, fleet: Fleet) -> None:
        self.now = START
        self.samples: tuple[Sample, ...] = ()
        self.events: list[tuple[str, str]] = []
        self._path = path
        self._fleet = fleet
        self.desk = self.restarted()

    def restarted(self) -> AlertDesk:
        """A desk that knows what is on disk, and nothing else."""
        self.desk = AlertDesk(
            self._fleet, Ends(self._path, self._collect, self._tell), clock=lambda: self.now
        )
        return self.desk

    async def see(self, *hot: str, seconds: float = 10.0) -> None:
        """These agents are hot, ten seconds later."""
        self.now += seconds
        self.samples = tuple(Sample("heat", (("agent", name),), 9.0) for name in hot)
        await self.desk.look()

    def _collect(self) -> Sequence[Sample]:
        return self.samples

    async def _tell(self, kind: str, message: str, **data: Any) -> None:
        self.events.append((kind, message))
