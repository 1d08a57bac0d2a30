"""Gathers the evidence of a rollout: what both arms delivered, slice of time by slice of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
HALF = 50
"""Percent of the work, with which both arms have as much."""


@dataclass(frozen=True)
class _Mark:
    """What was counted at the beginning of a slice.

    Args:
        cpu: seconds by instance, as of ``measured``: not every look measures.
        memory: bytes by instance, of the looks since the mark before.
    """

    at: float
    incarnation: str
    counts: Mapping[str, ArmCounts]
    measured: float
    cpu: Mapping[str, float]
    memory: Mapping[str, int]


class Gathering:
    """The slices of the present window.

    What baselines delivered in the phases is kept, with their agents: after the last phase there is
    no baseline any more, and this stands in for it, slice by slice beside green of the same agents.
    """

    def __init__(self) -> None:
        self._window = -1
        self._slices: tuple[Slice, ...] = ()
        self._before: list[tuple[tuple[str, ...], Delivered]] = []
        self._mark: _Mark | None = None
        self._measured = 0.0
        self._cpu: dict[str, float] = {}
        self._memory: dict[str, int] = {}

    def look(self, state: RolloutState, world: World, now: float, *, llm: bool) -> None:
        """Closes a slice where it is time for it.

        Args:
            now: seconds, monotonic.
            llm: whether a model can be had.
        """
        if state.window != self._window:
            self._begin(state.window)
        self._measure(world, now)
        mark = self._mark
        lasts = max(SHORTEST, _target(state) / SLICES)
        if mark is not None and now - mark.at < lasts:
            return
        self._mark = self._marked(world, now)
        if mark is None or self._mark is None or mark.incarnation != self._mark.incarnation:
            return  # the gateway counts from the beginning again
        marks = (mark, self._mark)
        agents, old = self._compared(state)
        slice_ = _slice(state, agents, world, marks, _troubles(world, llm=llm))
        if state.split and not slice_.trouble:
            self._keep(agents, slice_.blue)
        if not (state.split and state.plan.canary == HALF):
            blue = slice_.blue if state.split else old
            slice_ = Slice(_by_requests(slice_.green), _by_requests(blue), slice_.trouble)
        self._slices = (*self._slices, slice_)
        if len(self._slices) > SLICES_MOST:
            self._slices = coarser(self._slices)

    def evidence(self, state: RolloutState) -> Evidence:
        """All of the window so far."""
        stages = len(state.stages) + 1
        return Evidence(min(state.phase + 1, stages), stages, self._slices)

    def _begin(self, window: int) -> None:
        self._window, self._slices, self._mark = window, (), None

    def _measure(self, world: World, now: float) -> None:
        """Takes what was measured, where this look did that."""
        units = world.host.units if world.host is not None else ()
        instances = [one for unit in units for one in unit.instances]
        cpu = {one.instance: one.cpu for one in instances if one.cpu is not None}
        if cpu:
            self._measured, self._cpu = now, cpu
        held = {one.instance: one.memory or one.pss for one in instances}
        self._memory |= {name: size for name, size in held.items() if size}

    def _marked(self, world: World, now: float) -> _Mark | None:
        memory, self._memory = self._memory, {}
        if world.arms is None or world.host is None:
            return None
        counts = {one.unit: one for one in world.arms.arms}
        return _Mark(now, world.arms.incarnation, counts, self._measured, self._cpu, memory)

    def _keep(self, agents: tuple[str, ...], old: Delivered) -> None:
        if old.requests.of and old.memory.count:  # others could not be compared by all metrics
            self._before = [*self._before, (agents, old)][-SLICES_MOST:]

    def _compared(self, state: RolloutState) -> tuple[tuple[str, ...], Delivered]:
        """Whose work the next slice is about, and what stands in for their old version."""
        if state.cohort or not self._before:
            return state.compared or state.cohort or state.agents, Delivered()
        return self._before[len(self._slices) % len(self._before)]


def _target(state: RolloutState) -> float:
    if state.cohort:
        return state.stages[state.phase].lasts
    return state.plan.validation


def _troubles(world: World, *, llm: bool) -> tuple[Trouble, ...]:
    found = ((Trouble.LLM_DOWN, not llm), (Trouble.HOST_PRESSURE, world.short_of_memory))
    return tuple(trouble for trouble, there in found if there)


def _slice(
    state: RolloutState,
    agents: Iterable[str],
    world: World,
    marks: tuple[_Mark, _Mark],
    trouble: tuple[Trouble, ...],
) -> Slice:
    share = state.plan.canary / 100 if state.split else 1.0
    green, blue = (
        _together([unit_of(agent, arm, state) for agent in agents], world, marks, weight)
        for arm, weight in ((Arm.GREEN, share), (Arm.BASELINE, 1 - share))
    )
    if not green.tokens.mean and not blue.tokens.mean:  # who asks no model has none to compare
        green, blue = (replace(each, tokens=Moments()) for each in (green, blue))
    return Slice(green, blue, trouble)


def _by_requests(delivered: Delivered) -> Delivered:
    """As it can be compared with what had other calls, those of another hour or another share: what
    is done counts by the requests that came, and CPU time, which goes with them, not at all."""
    return replace(delivered, exposure=float(delivered.requests.of), cpu=Moments())


def _together(
    names: Sequence[str], world: World, marks: tuple[_Mark, _Mark], weight: float
) -> Delivered:
    """What these units did, each with that share of an agent's work."""
    units, seconds = world.units, marks[1].at - marks[0].at
    whole = merged(_delivered(name, units.get(name), marks) for name in names)
    return whole + Delivered(exposure=weight * seconds * len(names))


def _delivered(name: str, unit: UnitStatus | None, marks: tuple[_Mark, _Mark]) -> Delivered:
    before, after = (mark.counts.get(name, ArmCounts(unit=name)) for mark in marks)
    instances = unit.instances if unit else ()
    return Delivered(
        requests=_tally(after.requests, before.requests, after.errors, before.errors),
        latency=Latencies(_grown(after.latency, before.latency)),
        tasks=_tally(after.tasks, before.tasks, after.failed, before.failed),
        tools=_tally(after.tools, before.tools, after.tools_failed, before.tools_failed),
        llm=_tally(after.llm, before.llm, after.llm_failed, before.llm_failed),
        tokens=_since(after.tokens, before.tokens),
        memory=Moments.of(_held([one.instance for one in instances], marks[1])),
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


def _held(instances: Iterable[str], mark: _Mark) -> Iterable[float]:
    return (float(mark.memory[name]) for name in instances if name in mark.memory)


def _cores(instances: Iterable[str], marks: tuple[_Mark, _Mark]) -> Iterable[float]:
    before, after = marks
    seconds = after.measured - before.measured
    for name in instances:
        if name in before.cpu and name in after.cpu and seconds > 0:
            yield max(0.0, after.cpu[name] - before.cpu[name]) / seconds
