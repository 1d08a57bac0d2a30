"""In which order units start and stop, from what each depends on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sutazai.fleet.errors import BadFleet
from sutazai.fleet.spec import Fleet

Graph = Mapping[str, Collection[str]]
"""What each name depends on; names that are no keys count as met."""


def dependencies(fleet: Fleet) -> dict[str, tuple[str, ...]]:
    """What every agent and every enabled service of ``fleet`` depends on."""
    services = {name: unit for name, unit in fleet.services.items() if unit.enabled}
    return {name: unit.depends_on for name, unit in {**services, **fleet.agents}.items()}


def start_waves(graph: Graph) -> list[tuple[str, ...]]:
    """Waves in which to start: all that a wave depends on is in the waves before it.

    Raises BadFleet where a cycle leaves no order.
    """
    waves, left = _peeled(graph)
    if left:
        cycle = " → ".join(cycles(graph)[0])
        raise BadFleet(f"these depend on each other in a circle: {cycle}")
    return waves


def stop_waves(graph: Graph, ranks: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Waves in which to stop: nothing stops before what depends on it, and low ranks stop first.

    What something of a higher rank depends on stops with that. Where a cycle leaves no order, all
    that is left of a rank stops at once.
    """
    ranks = _lifted(graph, ranks)
    waves, left = _peeled(_dependents(graph, ranks))
    in_turn = (
        tuple(name for name in wave if ranks[name] == rank)
        for rank in sorted(set(ranks.values()))
        for wave in (*waves, left)
    )
    return [wave for wave in in_turn if wave]


def _lifted(graph: Graph, ranks: Mapping[str, int]) -> dict[str, int]:
    """Each one's rank, or the highest of those that depend on it, where that is higher."""
    found = {name: ranks[name] for name in graph}
    for wave in reversed(_peeled(graph)[0]):
        for name in wave:
            for need in graph[name]:
                if need in found:
                    found[need] = max(found[need], found[name])
    return found


def _dependents(graph: Graph, ranks: Mapping[str, int]) -> dict[str, list[str]]:
    """What depends on each name and has the same rank."""
    found: dict[str, list[str]] = {name: [] for name in graph}
    for name, needs in graph.items():
        for need in needs:
            if need in found and ranks[need] == ranks[name]:
                found[need].append(name)
    return found


def cycles(graph: Graph) -> list[tuple[str, ...]]:
    """Cycles of ``graph``, each with its first name again at its end.

    Every part of the graph that cannot be ordered shows at least one.
    """
    _, left = _peeled(graph)
    seen: set[str] = set()
    return [cycle for name in left if (cycle := _walk(left, name, seen))]


def _peeled(graph: Graph) -> tuple[list[tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """The waves, and what no wave can take, each with what it still waits for."""
    left = {name: {each for each in needs if each in graph} for name, needs in graph.items()}
    waiting: dict[str, list[str]] = {name: [] for name in graph}
    for name, needs in left.items():
        for need in needs:
            waiting[need].append(name)
    waves = []
    wave = tuple(name for name, needs in left.items() if not needs)
    while wave:
        waves.append(wave)
        wave = _next_wave(wave, left, waiting)
    return waves, {name: tuple(need for need in graph[name] if need in left) for name in left}


def _next_wave(
    wave: tuple[str, ...], left: dict[str, set[str]], waiting: dict[str, list[str]]
) -> tuple[str, ...]:
    ready = []
    for done in wave:
        del left[done]
        for name in waiting[done]:
            left[name].discard(done)
            if not left[name]:
                ready.append(name)
    return tuple(ready)


def _walk(left: Graph, start: str, seen: set[str]) -> tuple[str, ...]:
    """Follows first dependencies from ``start`` to a cycle; () where it leads to a known place.

    Everything in ``left`` depends on something in ``left``, so a walk can end in no other way.
    """
    trail: dict[str, None] = {}
    name = start
    while name not in seen:
        seen.add(name)
        trail[name] = None
        name = next(iter(left[name]))
    if name not in trail:
        return ()
    names = list(trail)
    return (*names[names.index(name) :], name)
