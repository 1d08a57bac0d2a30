"""What agents count themselves, as Prometheus reads it: added up over an agent's instances, counted
on over their ends, and held to a bound. Pure.

An instance tells with its health, so it is believed nothing: what is no metric is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sutazai.fleet.own_metrics import COUNTER, GAUGE, HISTOGRAM, SERIES_MAX, is_name, series_of
from sutazai.wire.exposition import Table, counter, families, gauge, histogram

ALL_MAX = 2_000
"""Most series of all agents of a machine."""
LARGEST = 1e300
"""What is beyond cannot be added up."""
MEANING = "Told by the agents themselves."
OTHERS = "some agents"
FULL = f"all agents together have {ALL_MAX:,} series at most"


Told = Mapping[str, tuple[str, tuple["Own", ...]]]
"""By instance, its agent and what it told last."""


@dataclass(frozen=True, slots=True)
class Own:
    """One metric: its value, or how many fell into each bucket and above the last, and their sum
    (``value``)."""

    kind: str
    name: str
    value: float
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def family(self) -> str:
        return f"agent_{self.name}_total" if self.kind == COUNTER else f"agent_{self.name}"

    @property
    def series(self) -> int:
        return series_of(len(self.edges))

    def is_like(self, other: Own) -> bool:
        """Whether both can be told under one name."""
        return (self.kind, self.edges) == (other.kind, other.edges)

    def plus(self, other: Own | None) -> Own:
        """Both together; this one alone where they are not alike."""
        if other is None or not self.is_like(other):
            return self
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return replace(self, value=self.value + other.value, counts=counts)


def own_in(told: Any) -> tuple[Own, ...]:
    """The metrics in what an instance told; what is none is left out."""
    rows = told if isinstance(told, list) else ()
    return tuple(own for row in rows[:SERIES_MAX] if (own := _read(row)) is not None)


def _read(row: Any) -> Own | None:
    match row:
        case [("counter" | "gauge") as kind, str(name), int() | float() as value]:
            found = Own(kind, name, value)
        case ["histogram", str(name), [*edges], [*counts], int() | float() as total]:
            found = Own(HISTOGRAM, name, total, tuple(edges), tuple(counts))
        case _:
            return None
    return found if is_name(found.name) and _is_sound(found) else None


def _is_sound(one: Own) -> bool:
    if not abs(one.value) <= LARGEST:
        return False
    if one.kind == HISTOGRAM:
        return _are_edges(one.edges) and _are_counts(one.counts, len(one.edges) + 1)
    return one.kind == GAUGE or one.value >= 0


def _are_edges(edges: tuple[Any, ...]) -> bool:
    numbers = all(isinstance(edge, int | float) and abs(edge) <= LARGEST for edge in edges)
    return numbers and bool(edges) and list(edges) == sorted(set(edges))


def _are_counts(counts: tuple[Any, ...], many: int) -> bool:
    return len(counts) == many and all(
        isinstance(one, int) and 0 <= one <= LARGEST for one in counts
    )


class OwnMetrics:
    """Remembers what instances that have ended had counted."""

    def __init__(self) -> None:
        self._ended: dict[str, dict[str, Own]] = {}
        """By agent, in the order in which they first told any, and by name."""
        self._told: Told = {}
        self._said: set[str] = set()

    def look(self, told: Told, labels: Mapping[str, str]) -> tuple[list[bytes], list[str]]:
        """The families, and a sentence for each refusal that was not said before.

        Args:
            told: by instance, its agent and what it told last.
            labels: of every agent by name; what belongs to none of them is left out.
        """
        self._remember({one: each for one, each in told.items() if each[0] in labels}, labels)
        room = _Room()
        live = _by_agent(self._told)
        for agent, ended in self._ended.items():
            for own in _bounded(live.get(agent, {}), ended):
                room.take(agent, own, labels[agent])
        return [*_families(room.kept)], self._new(room.refused)

    def _remember(self, told: Told, agents: Collection[str]) -> None:
        """Instances that are gone leave to their agent what they had counted."""
        for instance, (agent, owns) in self._told.items():
            if instance not in told and agent in self._ended:
                ended = self._ended[agent]
                ended |= {own.name: own.plus(ended.get(own.name)) for own in owns if _lasts(own)}
                for oldest in [*ended][:-SERIES_MAX]:
                    del ended[oldest]
        self._told = told
        for agent, _ in told.values():
            self._ended.setdefault(agent, {})
        for gone in [agent for agent in self._ended if agent not in agents]:
            del self._ended[gone]

    def _new(self, refused: Mapping[str, str]) -> list[str]:
        """What is said of agents of which nothing was said yet."""
        new = {agent: why for agent, why in refused.items() if agent not in self._said}
        self._said |= new.keys()
        return [f"own metrics of {agent} are not told: {why}" for agent, why in new.items()]


def _by_agent(told: Told) -> dict[str, dict[str, Own]]:
    """What the instances of each agent tell together, by agent and name."""
    found: dict[str, dict[str, Own]] = {}
    for agent, owns in told.values():
        known = found.setdefault(agent, {})
        known |= {own.name: own.plus(known.get(own.name)) for own in owns}
    return found


def _bounded(live: Mapping[str, Own], ended: Mapping[str, Own]) -> Iterator[Own]:
    """All of one agent, first what is told now; what only earlier instances told has what room is
    left."""
    left = SERIES_MAX
    for own in (*live.values(), *(own for name, own in ended.items() if name not in live)):
        if (left := left - own.series) < 0:
            return
        yield own.plus(ended.get(own.name)) if own.name in live else own


class _Room:
    """What of all agents is told, by family and label, and why the rest is not, by agent."""

    def __init__(self) -> None:
        self.left = ALL_MAX
        self.kept: dict[str, dict[str, Own]] = {}
        self.refused: dict[str, str] = {}

    def take(self, agent: str, own: Own, label: str) -> None:
        """Adds one metric of an agent where that can be."""
        by_label = self.kept.setdefault(own.family, {})
        takes = 0 if label in by_label else own.series
        if by_label and not own.is_like(next(iter(by_label.values()))):
            why = f"{own.family} is another kind of metric, or has other buckets, elsewhere"
            self.refused.setdefault(agent, why)
        elif takes > self.left:
            self.refused.setdefault(OTHERS, f"{FULL}, which {agent} is the first to exceed")
        else:
            self.left -= takes
            by_label[label] = own.plus(by_label.get(label))


def _lasts(own: Own) -> bool:
    """Whether it is counted on; a gauge ends with its instance."""
    return own.kind != GAUGE


def _families(kept: Mapping[str, Mapping[str, Own]]) -> Iterator[bytes]:
    for family, by_label in kept.items():
        if owns := [*by_label.items()]:
            yield from families(_table(family, owns[0][1]), owns)


def _table(family: str, like: Own) -> Table[tuple[str, Own]]:
    if like.kind == HISTOGRAM:
        return (histogram(family, MEANING, like.edges, _spread),)
    return ((counter if like.kind == COUNTER else gauge)(family, MEANING, _value),)


def _spread(one: tuple[str, Own]) -> tuple[str, Sequence[int], float]:
    label, own = one
    return label, own.counts, own.value


def _value(one: tuple[str, Own]) -> Iterable[tuple[str, float]]:
    label, own = one
    return ((label, own.value),)
