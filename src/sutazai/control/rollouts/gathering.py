"""Gathers the evidence of a rollout: what both arms delivered, slice of time by slice of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sutazai.control.rollouts.arms import unit_of
from sutazai.control.rollouts.observing import World
from sutazai.fleet.arms import ArmCounts
from sutazai.fleet.rollouts import Arm, RolloutState
from sutazai.fleet.status import UnitStatus
from sutazai.rollout.evidence.delivered import (
    SLICES_MOST,
    Delivered,
    Evidence,
    Slice,
    Trouble,
    coarser,
    merged,
)
from sutazai.rollout.evidence.tallies import Latencies, Moments, Tally

SLICES = 60
"""Slices that the time of a window makes, as long as none is shorter than a second."""
SHORTEST = 1.0


@dataclass(frozen=True)
class _Mark:
    """What was counted at the beginning of a slice; ``cpu`` is seconds by instance."""

    at: float
    incarnation: str
    counts: Mapping[str, ArmCounts]
    cpu: Mapping[str, float]


class Gathering:
    """The slices of the present window.

    What the old version delivered in earlier windows is kept: after the last phase there is no
    baseline to compare with any more, and this stands in for it.
    """

    def __init__(self) -> None:
        self._window = -1
        self._slices: tuple[Slice, ...] = ()
        self._before: list[Delivered] = []
        self._mark: _Mark | None = None

    def look(self, state: RolloutState, world: World, now: float, *, llm: bool) -> None:
        """Closes a slice where it is time for it.

        Args:
            now: seconds, monotonic.
            llm: whether a model can be had.
        """
        if state.window != self._window:
            self._begin(state.window)
        mark = self._mark
        lasts = max(SHORTEST, _target(state) / SLICES)
        if mark is not None and now - mark.at < lasts:
            return
        self._mark = _marked(world, now)
        if mark is None or self._mark is None or mark.incarnation != self._mark.incarnation:
            return  # the gateway counts from the beginning again
        slice_ = _slice(state, world, (mark, self._mark), _troubles(world, llm=llm))
        if not state.split:
            slice_ = Slice(slice_.green, self._stand_in(), slice_.trouble)
        self._slices = (*self._slices, slice_)
        if len(self._slices) > SLICES_MOST:
            self._slices = coarser(self._slices)

    def evidence(self, state: RolloutState) -> Evidence:
        """All of the window so far."""
        stages = len(state.stages) + 1
        return Evidence(min(state.phase + 1, stages), stages, self._slices)

    def _begin(self, window: int) -> None:
        self._before += [each.blue for each in self._slices if each.blue.requests.of]
        self._before = self._before[-SLICES_MOST:]
        self._window, self._slices, self._mark = window, (), None

    def _stand_in(self) -> Delivered:
        if not self._before:
            return Delivered()
        return self._before[len(self._slices) % len(self._before)]


def _target(state: RolloutState) -> float:
    if state.cohort:
        return state.stages[state.phase].lasts
    return state.plan.validation


def _marked(world: World, now: float) -> _Mark | None:
    if world.arms is None or world.host is None:
        return None
    counts = {one.unit: one for one in world.arms.arms}
    cpu = {
        one.instance: one.cpu
        for unit in world.host.units
        for one in unit.instances
        if one.cpu is not None
    }
    return _Mark(now, world.arms.incarnation, counts, cpu)


def _troubles(world: World, *, llm: bool) -> tuple[Trouble, ...]:
    found = ((Trouble.LLM_DOWN, not llm), (Trouble.HOST_PRESSURE, world.short_of_memory))
    return tuple(trouble for trouble, there in found if there)


def _slice(
    state: RolloutState, world: World, marks: tuple[_Mark, _Mark], trouble: tuple[Trouble, ...]
) -> Slice:
    share = state.plan.canary / 100 if state.split else 1.0
    agents = state.cohort or state.agents
    units = world.units

    def arm(which: Arm, weight: float) -> Delivered:
        names = [unit_of(agent, which, state) for agent in agents]
        parts = (_delivered(name, units.get(name), marks) for name in names)
        whole = merged(parts)
        seconds = marks[1].at - marks[0].at
        return whole + Delivered(exposure=weight * seconds * len(names))

    green, blue = arm(Arm.GREEN, share), arm(Arm.BASELINE, 1 - share)
    if not green.tokens.mean and not blue.tokens.mean:  # who asks no model has none to compare
        green, blue = (replace(each, tokens=Moments()) for each in (green, blue))
    return Slice(green, blue, trouble)


def _delivered(name: str, unit: UnitStatus | None, marks: tuple[_Mark, _Mark]) -> Delivered:
    before, after = (mark.counts.get(name, ArmCounts(unit=name)) for mark in marks)
    instances = unit.instances if unit else ()
    return Delivered(
        requests=_tally(after.requests, before.requests, after.errors, before.errors),
        latency=Latencies(_grown(after.latency, before.latency)),
        tasks=_tally(after.tasks, before.tasks, after.failed, before.failed),
        llm=_tally(after.llm, before.llm, after.llm_failed, before.llm_failed),
        tokens=_since(after.tokens, before.tokens),
        memory=Moments.of(float(one.memory) for one in instances if one.memory),
        cpu=Moments.of(_cores([one.instance for one in instances], marks)),
    )


def _tally(of: int, of_before: int, bad: int, bad_before: int) -> Tally:
    return Tally(max(0, of - of_before), max(0, min(bad - bad_before, of - of_before)))


def _grown(after: Mapping[int, int], before: Mapping[int, int]) -> dict[int, int]:
    grown = {at: count - before.get(at, 0) for at, count in after.items()}
    return {at: count for at, count in grown.items() if count > 0}


def _since(after: tuple[int, float, float], before: tuple[int, float, float]) -> Moments:
    """What lies between two states of running moments: the rule of Chan, Golub and LeVeque (1979)
    the other way round."""
    count = after[0] - before[0]
    if count <= 0:
        return Moments()
    mean = (after[0] * after[1] - before[0] * before[1]) / count
    apart = mean - before[1]
    between = apart**2 * before[0] * count / after[0]
    return Moments(count, mean, max(0.0, after[2] - before[2] - between))


def _cores(instances: Iterable[str], marks: tuple[_Mark, _Mark]) -> Iterable[float]:
    before, after = marks
    seconds = after.at - before.at
    for name in instances:
        if name in before.cpu and name in after.cpu and seconds > 0:
            yield max(0.0, after.cpu[name] - before.cpu[name]) / seconds
