"""What runs have used, over all their tasks. Pure.

Kept while the gateway runs, for `RUN_AGE` after a run's last task began, of `RUNS_MAX` runs.
"""

from __future__ import annotations

from collections import OrderedDict

from sutazai.gateway.callers.spending import Used

RUNS_MAX = 10_000
RUN_AGE = 86_400.0
"""Seconds."""


class Run:
    """One run; ``seen`` is when a task of it began last."""

    __slots__ = ("id", "seen", "used")

    def __init__(self, id: str) -> None:  # noqa: A002 (the word of the field)
        self.id = id
        self.seen = 0.0
        self.used = Used()


class Runs:
    """The runs that are remembered, the one seen last at the end."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, id: str, now: float) -> Run:  # noqa: A002 (the word of the field)
        """The run of this id, a new one where it is not remembered."""
        run = self._runs.pop(id, None)
        if run is None or now - run.seen >= RUN_AGE:
            run = Run(id)
        self._forget(now)
        run.seen = now
        self._runs[id] = run
        return run

    def _forget(self, now: float) -> None:
        while self._runs:
            oldest = next(iter(self._runs.values()))
            if len(self._runs) < RUNS_MAX and now - oldest.seen < RUN_AGE:
                return
            self._runs.popitem(last=False)
