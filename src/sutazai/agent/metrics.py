"""An agent's own metrics, counted in plain numbers and told where the host asks for health."""

from __future__ import annotations

import logging
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, TypeVar

from sutazai.fleet.errors import BadInput
from sutazai.fleet.own_metrics import COUNTER, GAUGE, HISTOGRAM, SERIES_MAX, is_name, series_of

SECONDS = (0.01, 0.1, 0.5, 1.0, 5.0, 30.0)
"""Upper bounds of a histogram's buckets where none are given: good for seconds."""

_LOCK = Lock()
"""One for all: a plain ``def run`` counts in a thread of its own."""


class Counter:
    """What only grows, from 0 at the instance's start."""

    kind, edges = COUNTER, ()

    def __init__(self) -> None:
        self._value = 0.0

    def add(self, more: float = 1) -> None:
        """Counts ``more``. Raises BadInput below 0."""
        if not _finite(more) >= 0:
            raise BadInput(f"a counter never falls, and {more} was to be added", hint="a gauge can")
        with _LOCK:
            self._value += more

    def told(self) -> list[Any]:
        return [self._value]


class Gauge:
    """What goes up and down; those of several instances are added up."""

    kind, edges = GAUGE, ()

    def __init__(self) -> None:
        self._value = 0.0

    def set(self, value: float) -> None:
        """It is ``value`` now."""
        self._value = _finite(value)

    def add(self, more: float) -> None:
        """It is so much more now, or less."""
        with _LOCK:
            self._value += _finite(more)

    def told(self) -> list[Any]:
        return [self._value]


class Histogram:
    """How many values fell below each of ``edges``, which rise."""

    kind = HISTOGRAM

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = tuple(float(_finite(edge)) for edge in edges)
        if not self.edges or list(self.edges) != sorted(set(self.edges)):
            raise BadInput(f"edges of a histogram rise, and these do not: {list(edges)}")
        self._counts = [0] * (len(self.edges) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Counts one more ``value``."""
        place = bisect_left(self.edges, _finite(value))
        with _LOCK:
            self._counts[place] += 1
            self._sum += value

    def told(self) -> list[Any]:
        return [list(self.edges), list(self._counts), self._sum]


M = TypeVar("M", Counter, Gauge, Histogram)


class Metrics:
    """All of one agent, by name: small letters, digits and ``_``.

    Prometheus finds them as ``agent_NAME_total`` (counters) and ``agent_NAME`` (others) with the
    label `agent`. Beyond 20 series of an agent (a histogram has three more than edges) what is
    made works and is told to nobody, which is said once in its log.
    """

    def __init__(self, log: Callable[[], logging.Logger]) -> None:
        self._log = log
        self._made: dict[str, Counter | Gauge | Histogram] = {}
        self._series = 0
        self._refused = False

    def counter(self, name: str) -> Counter:
        """The counter of that name. Raises BadInput for a name that cannot be, or is another's."""
        return self._get(name, Counter, Counter)

    def gauge(self, name: str) -> Gauge:
        """The gauge of that name. Raises BadInput as `counter`."""
        return self._get(name, Gauge, Gauge)

    def histogram(self, name: str, edges: Sequence[float] = SECONDS) -> Histogram:
        """The histogram of that name. Raises BadInput as `counter`, and for edges that do not
        rise."""
        return self._get(name, Histogram, lambda: Histogram(edges))

    def told(self) -> list[list[Any]]:
        """All of them for the host: kind, name, and what they hold."""
        return [[one.kind, name, *one.told()] for name, one in tuple(self._made.items())]

    def _get(self, name: str, kind: type[M], make: Callable[[], M]) -> M:
        made = self._made.get(name)
        if made is None:
            return self._add(name, make())
        if not isinstance(made, kind):
            raise BadInput(f"{name!r} is a {made.kind} of this agent already")
        return made

    def _add(self, name: str, one: M) -> M:
        if not is_name(name):
            raise BadInput(
                f"no metric can be called {name!r}",
                hint="small letters, digits and _; `_total` is added to a counter's name",
            )
        series = series_of(len(one.edges))
        if self._series + series <= SERIES_MAX:
            self._series += series
            self._made[name] = one
        elif not self._refused:
            self._refused = True
            self._log().warning(
                "metric %s is not told: an agent has %d series at most", name, SERIES_MAX
            )
        return one


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise BadInput(f"{value} is no value of a metric")
    return value
