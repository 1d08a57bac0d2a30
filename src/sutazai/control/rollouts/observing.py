"""From what host and gateway tell to what the machine of a rollout sees. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace

from sutazai.control.rollouts.arms import (
    Arms,
    ArmUnit,
    Side,
    Takeover,
    runs_twice,
    unit_of,
)
from sutazai.fleet.arms import ArmsSeen
from sutazai.fleet.rollouts import Arm, RolloutState
from sutazai.fleet.spec import Agent, Temperature
from sutazai.fleet.status import HostStatus, Level, State, UnitStatus
from sutazai.rollout.machine import Copy, Health

_HEALTH = {
    State.HEALTHY: Health.HEALTHY,
    State.ASLEEP: Health.HEALTHY,
    State.FROZEN: Health.HEALTHY,
    State.EXTERNAL: Health.HEALTHY,
    State.STOPPED: Health.HEALTHY,  # a person wants it so
    State.NOT_INSTALLED: Health.HEALTHY,  # as it was before
    State.WAITING: Health.STARTING,
    State.STARTING: Health.STARTING,
    State.STOPPING: Health.STARTING,
}


_SHORT = (Level.CRITICAL, Level.EMERGENCY)
_OF_THEIR_OWN = (Arm.GREEN, Arm.BASELINE)
"""Arms that are units beside the agent's."""


@dataclass(frozen=True, kw_only=True)
class World:
    """One look at the machine; None where a peer did not answer.

    Args:
        versions: by agent, the digest of its new version.
    """

    host: HostStatus | None
    arms: ArmsSeen | None
    agents: Mapping[str, Agent]
    versions: Mapping[str, str]

    @property
    def units(self) -> dict[str, UnitStatus]:
        return {unit.name: unit for unit in self.host.units} if self.host else {}

    @property
    def short_of_memory(self) -> bool:
        """Whether the host takes memory away from agents that run."""
        return self.host is not None and self.host.pressure.level in _SHORT


def health_of(unit: UnitStatus | None) -> Health:
    """How a unit's instances are together."""
    return Health.ABSENT if unit is None else _HEALTH.get(unit.state, Health.BROKEN)


def settled(state: RolloutState, world: World) -> frozenset[str]:
    """Agents whose own units run the new version, and nothing else, and are well."""
    units = world.units
    return frozenset(agent for agent in state.agents if _is_settled(agent, units, world.versions))


def takeover(state: RolloutState, world: World) -> Takeover:
    """How far own units have taken the new version on."""
    units, well = world.units, settled(state, world)
    begun = (
        agent
        for agent in state.agents
        if agent in units and units[agent].version == world.versions.get(agent)
    )
    done = (agent for agent in well if unit_of(agent, Arm.GREEN, state) not in units)
    return Takeover(frozenset(begun), well, frozenset(done))


def kept(arms: Arms, state: RolloutState, world: World, turning: Set[str]) -> Arms:
    """``arms`` while calls may still be on their way by doors of agents that are ``turning``: blue
    that is to sleep stays awake, and green that is to end stays."""
    units = dict(arms.units)
    for agent in turning:
        own, *others = arms.units[agent]
        units[agent] = (_awake(own, world), *others, *_green(agent, others, state, world))
    return Arms(units, arms.doors)


def _awake(own: ArmUnit, world: World) -> ArmUnit:
    """Without standby where the host was not told of it yet."""
    seen = world.units.get(own.name)
    is_told = seen is None or seen.temperature is not Temperature.HOT
    return own if is_told else replace(own, standby=False)


def _green(
    agent: str, wanted: Iterable[ArmUnit], state: RolloutState, world: World
) -> Iterator[ArmUnit]:
    """Green that is there and not wanted any more."""
    name = unit_of(agent, Arm.GREEN, state)
    present = agent in state.green and name in world.units
    if present and all(one.name != name for one in wanted):
        yield ArmUnit(name, Side.NEW)


def copies(state: RolloutState, world: World) -> dict[tuple[str, Arm], Copy]:
    """Every arm of every agent; nothing while the host does not answer."""
    if world.host is None:
        return {}
    units, done = world.units, settled(state, world)
    in_hand = dict(world.arms.running) if world.arms else {}
    found: dict[tuple[str, Arm], Copy] = {}
    for agent in state.agents:
        twice = runs_twice(world.agents[agent])
        arms = _beside if twice else _in_place
        for arm, health in arms(agent, state, units, done):
            name = unit_of(agent, arm, state)
            awake = twice and name in units and bool(units[name].instances)
            found[agent, arm] = Copy(health, in_hand.get(name, 0), awake)
    return found


def _is_settled(agent: str, units: Mapping[str, UnitStatus], versions: Mapping[str, str]) -> bool:
    unit = units.get(agent)
    if unit is None or health_of(unit) is not Health.HEALTHY:
        return False
    present = {unit.version, *(one.version for one in unit.instances)}
    return present == {versions.get(agent)}


def _beside(
    agent: str, state: RolloutState, units: Mapping[str, UnitStatus], done: frozenset[str]
) -> Iterator[tuple[Arm, Health]]:
    own = health_of(units.get(agent))
    beside = {arm: health_of(units.get(unit_of(agent, arm, state))) for arm in _OF_THEIR_OWN}
    if agent in state.moved and agent not in state.blue and agent in done:
        own, beside[Arm.GREEN] = Health.ABSENT, own  # the own unit is the new version now
    yield Arm.BLUE, own
    yield from beside.items()


def _in_place(
    agent: str, state: RolloutState, units: Mapping[str, UnitStatus], done: frozenset[str]
) -> Iterator[tuple[Arm, Health]]:
    """One that cannot run twice: the versions it does not run count as ready to be put back."""
    own = health_of(units.get(agent))
    is_new = agent in state.green
    yield (
        Arm.BLUE,
        Health.ABSENT
        if is_new and agent not in state.blue
        else (Health.HEALTHY if is_new else own),
    )
    yield Arm.GREEN, own if is_new else Health.ABSENT
    yield Arm.BASELINE, Health.HEALTHY if agent in state.baseline else Health.ABSENT
