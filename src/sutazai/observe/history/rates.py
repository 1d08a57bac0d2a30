"""Counters as rates: what is kept of one is how much it grew a second. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from sutazai.observe.samples import Labels, Sample

COUNTERS = ("_total", "_bucket", "_sum", "_count")
"""How the names of counters end; a histogram is made of them."""

GREATEST = 3.4e38
"""The file holds single precision."""


class Rates:
    """Remembers counters from one look to the next."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, Labels], float] = {}
        self._looked_at = float("-inf")

    def told(self, samples: Iterable[Sample], now: float) -> Iterator[Sample]:
        """``samples``, counters among them as growth a second since the last look.

        ``now`` is of a clock that never jumps. A counter that was not seen before, or that began
        anew, is left out; so is what is no number.
        """
        elapsed, self._looked_at = now - self._looked_at, now
        before, self._before = self._before, {}
        for sample in samples:
            value, least = sample.value, -GREATEST
            if sample.name.endswith(COUNTERS):
                key = (sample.name, sample.labels)
                self._before[key], least = value, 0.0
                value = (value - before.get(key, inf)) / elapsed
            if least <= value < GREATEST:  # which NaN never is
                yield Sample(sample.name, sample.labels, value)
