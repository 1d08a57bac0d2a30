"""Shows the hard guards what both arms did in the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from sutazai.control.rollouts.arms import unit_of
from sutazai.control.rollouts.observing import World
from sutazai.fleet.arms import ArmCounts
from sutazai.fleet.rollout_criteria import RolloutCriteria
from sutazai.fleet.rollouts import Arm, RolloutState
from sutazai.fleet.status import Exit, UnitStatus
from sutazai.gateway.stats import GatewayStats
from sutazai.rollout.evidence.tallies import Tally
from sutazai.rollout.guards import Cause, Sight, Signs, alarms
from sutazai.rollout.machine import Tripped

MINUTE = 60.0


@dataclass(frozen=True)
class _Look:
    """What was counted at one time, by unit; ``at`` in monotonic seconds."""

    at: float
    incarnation: str
    counts: Mapping[str, ArmCounts]
    restarts: Mapping[str, int]


class Guarding:
    """Remembers a minute of looks."""

    def __init__(self, criteria: RolloutCriteria) -> None:
        self._criteria = criteria
        self._looks: deque[_Look] = deque()

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
            {one.unit: one for one in world.arms.arms},
            {unit.name: unit.restarts for unit in world.host.units},
        )
        self._remember(latest)
        has_llm = any(one.available for one in stats.backends) or not stats.backends
        green, blue = self._signs(state, world, latest)
        sight = Sight(
            green=green, blue=blue, llm_down=not has_llm, host_pressure=world.short_of_memory
        )
        found = alarms(self._criteria, sight)
        return tuple(Tripped(str(each), each.cause is Cause.ENVIRONMENT) for each in found)

    def _remember(self, latest: _Look) -> None:
        looks = self._looks
        if looks and looks[-1].incarnation != latest.incarnation:
            looks.clear()
        looks.append(latest)
        while looks[0].at < latest.at - MINUTE:
            looks.popleft()

    def _signs(
        self, state: RolloutState, world: World, latest: _Look
    ) -> tuple[dict[str, Signs], dict[str, Signs]]:
        """What green and the old version beside it did, by agent."""
        units, first = world.units, self._looks[0]
        old = Arm.BASELINE if state.split else Arm.BLUE

        def signs(agent: str, arm: Arm) -> Signs:
            name = unit_of(agent, arm, state)
            return _signs(units.get(name), latest, first, name)

        watched = [agent for agent in state.agents if agent in state.green]
        green = {agent: signs(agent, Arm.GREEN) for agent in watched}
        return green, {agent: signs(agent, old) for agent in watched}


def _signs(unit: UnitStatus | None, latest: _Look, first: _Look, name: str) -> Signs:
    after, before = (look.counts.get(name, ArmCounts(unit=name)) for look in (latest, first))
    if after.requests < before.requests:  # it was not watched for a while
        before = ArmCounts(unit=name)
    bad = after.failed - before.failed
    done = after.tasks - before.tasks
    requests = Tally(after.requests - before.requests, after.errors - before.errors)
    ended = latest.restarts.get(name, 0) - first.restarts.get(name, 0)
    out_of_memory = ended if unit is not None and _ran_out(unit.last_exit) else 0
    instances = unit.instances if unit is not None else ()
    full = [one.memory / one.limit for one in instances if one.memory and one.limit]
    return Signs(
        crashes=ended - out_of_memory,
        out_of_memory=out_of_memory,
        memory=max(full, default=0.0),
        memory_bytes=sum(one.memory or 0 for one in instances),
        failed_checks=max((one.failures for one in instances), default=0),
        requests=requests,
        llm=Tally(after.llm - before.llm, after.llm_failed - before.llm_failed),
        answered=requests.of - requests.bad,
        finished=done - bad,
    )


def _ran_out(last: Exit | None) -> bool:
    return last is not None and last.out_of_memory
