"""Breakers that open while agents move to a new version, and whose calls had a part in it. Pure.

A breaker is that of one model on one backend, and all who ask for it share it. What opens it tells
whose trouble it is:

- Calls that failed: it is that of the units for which these were made. A new version whose prompts
  break the server fails alone, while others are served by the same model in between.
- The gateway's own probe or check that failed: the model is broken whoever asks. It is the trouble
  of all for whom that model was asked: of a new version alone, where only that one asks for it, as
  for another model or another version of its tier.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from sutazai.fleet.arms import BreakerTrip

TRIPS_MAX = 100


class Trips:
    """The last ones."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], set[str]] = {}
        self._last: deque[BreakerTrip] = deque(maxlen=TRIPS_MAX)
        self._number = 0

    def asked(self, backend: str, model: str, unit: str) -> None:
        """A call for ``unit`` got to that model."""
        self._asked.setdefault((backend, model), set()).add(unit)

    def tripped(self, backend: str, model: str, units: Collection[str]) -> None:
        """A breaker has opened, by calls that were made for ``units``; by a probe where there are
        none."""
        for unit in units:
            self.asked(backend, model, unit)
        whose = units or self._asked.get((backend, model), ())
        self._number += 1
        self._last.append(
            BreakerTrip(
                number=self._number,
                backend=backend,
                model=model,
                units=tuple(sorted(whose)),
                probe=not units,
            )
        )

    def forget(self) -> None:
        """Nobody is watched any more."""
        self._asked.clear()
        self._last.clear()

    def last(self) -> tuple[BreakerTrip, ...]:
        """From the oldest to the newest."""
        return tuple(self._last)
