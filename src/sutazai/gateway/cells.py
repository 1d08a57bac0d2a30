"""What the gateway counts of calls, in plain numbers, and how things stand with it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sutazai.gateway.records.call import Outcome

EDGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)
"""Upper bounds of the buckets of a tier's durations, in seconds."""

AGENT_EDGES = (0.5, 2.0, 10.0, 60.0)
"""Those of an agent's durations, of which there may be a thousand."""

OUTCOMES = tuple(outcome.value for outcome in Outcome)
PLACE = {name: place for place, name in enumerate(OUTCOMES)}


@dataclass(frozen=True, slots=True)
class BackendGauges:
    """One backend now. ``breakers`` gives by model the state of its circuit, ``memory`` the bytes
    of each model that it has loaded."""

    name: str
    available: bool
    running: int
    slots: int
    breakers: Mapping[str, str]
    memory: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """How things stand: times in seconds, ``queued`` by priority.

    ``cache_hits``, ``cache_misses`` and ``records_dropped`` count since the start.
    """

    revision: int
    uptime: float
    paused: bool
    queued: Mapping[str, int]
    oldest_wait: float
    backends: Collection[BackendGauges]
    cache_bytes: int
    cache_hits: int
    cache_misses: int
    dead_letters: int
    records_dropped: int


class Durations:
    """How many there were in each bucket, and their sum."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0.0

    def add(self, many: Iterable[float]) -> None:
        """Seconds of several."""
        ordered = sorted(many)
        before = 0
        for place, edge in enumerate(self.edges):
            upto = bisect_right(ordered, edge, before)
            self.counts[place] += upto - before
            before = upto
        self.counts[-1] += len(ordered) - before
        self.total += sum(ordered)

    def add_one(self, seconds: float) -> None:
        self.counts[bisect_left(self.edges, seconds)] += 1
        self.total += seconds


class AgentCell:
    """What one agent or client asked for."""

    __slots__ = ("completion", "duration", "labels", "outcomes", "prompt", "queued")

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.outcomes = [0] * len(OUTCOMES)
        self.prompt = self.completion = 0
        self.queued = 0.0
        self.duration = Durations(AGENT_EDGES)


class WayCell:
    """What went one way: for one tier, by one version and model, to one backend."""

    __slots__ = ("bytes_in", "bytes_out", "cached", "completion", "labels", "outcomes", "prompt")

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.outcomes = [0] * len(OUTCOMES)
        self.prompt = self.completion = self.cached = 0
        self.bytes_in = self.bytes_out = 0


class TierCell:
    """How long calls for one tier took, or for one model that was asked for by its own name."""

    __slots__ = ("duration", "first_token", "labels", "queued")

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.queued = Durations(EDGES)
        self.first_token = Durations(EDGES)
        self.duration = Durations(EDGES)
