"""Shows the hard guards what both arms did in the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sutazai.control.rollouts.arms import unit_of
from sutazai.control.rollouts.observing import World
from sutazai.fleet.arms import ArmCounts, BreakerTrip
from sutazai.fleet.rollout_criteria import RolloutCriteria
from sutazai.fleet.rollouts import Arm, RolloutState
from sutazai.fleet.status import Exit, HostStatus, InstanceStatus, UnitStatus
from sutazai.gateway.stats import GatewayStats
from sutazai.rollout.evidence.tallies import Tally
from sutazai.rollout.guards import Cause, Sight, Signs, alarms
from sutazai.rollout.machine import Tripped

MINUTE = 60.0
SECOND = 1.0
ENOUGH = 12
"""So much work of either version shows one that gets nothing done (`guards.RARE`)."""


class _Counts(NamedTuple):
    """What a unit did so far, as `ArmCounts` has it."""

    requests: int = 0
    errors: int = 0
    tasks: int = 0
    failed: int = 0
    llm: int = 0
    llm_failed: int = 0

    @property
    def answered(self) -> int:
        return self.requests - self.errors

    @property
    def finished(self) -> int:
        return self.tasks - self.failed


_NOTHING = _Counts()


@dataclass(frozen=True)
class _Look:
    """What was counted at one time, by unit; ``at`` in monotonic seconds. ``restarts`` has those
    that were started again, ``trips`` is the number of the last breaker trip."""

    at: float
    incarnation: str
    counts: Mapping[str, _Counts]
    restarts: Mapping[str, int]
    trips: int


class Guarding:
    """Remembers a minute of looks, no more than one a second: a large fleet has much to count."""

    def __init__(self, criteria: RolloutCriteria) -> None:
        self._criteria = criteria
        self._looks: deque[_Look] = deque()
        self._taken: dict[str, InstanceStatus] = {}  # as it was measured last, by instance

    def look(
        self, state: RolloutState, world: World, stats: GatewayStats | None, now: float
    ) -> tuple[Tripped, ...]:
        """The guards that trip now. Where a peer does not answer nothing is known, and none does.

        Args:
            now: seconds, monotonic.
        """
        if world.host is None or world.arms is None or stats is None:
            return ()
        latest = _Look(
            now,
            world.arms.incarnation,
            {one.unit: _counts(one) for one in world.arms.arms},
            {unit.name: unit.restarts for unit in world.host.units if unit.restarts},
            max((trip.number for trip in world.arms.trips), default=0),
        )
        self._remember(latest)
        self._measure(world.host)
        has_llm = any(one.available for one in stats.backends) or not stats.backends
        trips = [one for one in world.arms.trips if one.number > self._looks[0].trips]
        signs = self._signs(state, world, latest)
        green, blue = _with_trips(*signs, state, trips, llm_down=not has_llm)
        sight = Sight(
            green=green, blue=blue, llm_down=not has_llm, host_pressure=world.short_of_memory
        )
        found = alarms(self._criteria, sight)
        return tuple(Tripped(str(each), each.cause is Cause.ENVIRONMENT) for each in found)

    def _remember(self, latest: _Look) -> None:
        looks = self._looks
        if looks and looks[-1].incarnation != latest.incarnation:
            looks.clear()
        if not looks or latest.at >= looks[-1].at + SECOND:
            looks.append(latest)
        while looks[0].at < latest.at - MINUTE:
            looks.popleft()

    def _measure(self, host: HostStatus) -> None:
        """Not every look measures, and what was measured is so until the next one."""
        instances = (one for unit in host.units for one in unit.instances)
        if taken := {one.instance: one for one in instances if one.memory or one.pss}:
            self._taken = taken

    def _signs(
        self, state: RolloutState, world: World, latest: _Look
    ) -> tuple[dict[str, Signs], dict[str, Signs]]:
        """What green and the old version did, by agent."""
        units, first = world.units, self._looks[0]

        def signs(agent: str, arm: Arm) -> Signs:
            name = unit_of(agent, arm, state)
            after, before = (look.counts.get(name, _NOTHING) for look in (latest, first))
            if after.requests < before.requests:  # it was not watched for a while
                before = _NOTHING
            is_all = arm is not Arm.GREEN or not after.finished
            work = _NOTHING if is_all else before
            ended = latest.restarts.get(name, 0) - first.restarts.get(name, 0)
            found = _signs(units.get(name), after, before, work=work, ended=ended)
            return self._with_memory(found, units.get(name))

        watched = [agent for agent in state.agents if agent in state.green]
        green = {agent: signs(agent, Arm.GREEN) for agent in watched}
        old = {agent: _old(signs(agent, Arm.BLUE), signs(agent, Arm.BASELINE)) for agent in watched}
        return green, old

    def _with_memory(self, signs: Signs, unit: UnitStatus | None) -> Signs:
        names = [one.instance for one in unit.instances] if unit is not None else []
        taken = [self._taken[name] for name in names if name in self._taken]
        full = [one.memory / one.limit for one in taken if one.memory and one.limit]
        held = sum(one.memory or one.pss or 0 for one in taken)
        return replace(signs, memory=max(full, default=0.0), memory_bytes=held)


def _old(own: Signs, fresh: Signs) -> Signs:
    """Both are the old version. What fresh instances do at the same time tells more than what was
    done before, as soon as it tells enough."""
    both = own + fresh
    if fresh.answered >= ENOUGH or (fresh.answered and not fresh.finished):
        return replace(both, answered=fresh.answered, finished=fresh.finished)
    return both


def _with_trips(
    green: Mapping[str, Signs],
    blue: Mapping[str, Signs],
    state: RolloutState,
    trips: Sequence[BreakerTrip],
    *,
    llm_down: bool,
) -> tuple[Mapping[str, Signs], Mapping[str, Signs]]:
    """Both with the breaker trips of the last minute."""
    if not trips:
        return green, blue
    units = {unit_of(agent, Arm.GREEN, state): agent for agent in green}
    others = sum(not _is_greens(trip, units, llm_down=llm_down) for trip in trips)
    return (
        {
            agent: replace(green[agent], breaker_trips=sum(unit in one.units for one in trips))
            for unit, agent in units.items()
        },
        {agent: replace(signs, breaker_trips=others) for agent, signs in blue.items()},
    )


def _is_greens(trip: BreakerTrip, units: Container[str], *, llm_down: bool) -> bool:
    """Whether nobody but the new version had a part in it. A probe that fails while no model can be
    had says nothing of who asks."""
    return all(unit in units for unit in trip.units) and not (trip.probe and llm_down)


def _counts(arm: ArmCounts) -> _Counts:
    return _Counts(
        requests=arm.requests,
        errors=arm.errors,
        tasks=arm.tasks,
        failed=arm.failed,
        llm=arm.llm,
        llm_failed=arm.llm_failed,
    )


def _signs(
    unit: UnitStatus | None, after: _Counts, before: _Counts, *, work: _Counts, ended: int
) -> Signs:
    """What lies between two looks; what it got done counts since ``work``."""
    out_of_memory = ended if unit is not None and _ran_out(unit.last_exit) else 0
    instances = unit.instances if unit is not None else ()
    return Signs(
        crashes=ended - out_of_memory,
        out_of_memory=out_of_memory,
        failed_checks=max((one.failures for one in instances), default=0),
        requests=Tally(after.requests - before.requests, after.errors - before.errors),
        llm=Tally(after.llm - before.llm, after.llm_failed - before.llm_failed),
        answered=after.answered - work.answered,
        finished=after.finished - work.finished,
    )


def _ran_out(last: Exit | None) -> bool:
    return last is not None and last.out_of_memory
