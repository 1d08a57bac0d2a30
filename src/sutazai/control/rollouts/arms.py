"""Which units and doors a rollout's state means. Pure.

Blue is the agent's own unit. Green and the baseline stand beside it as units of their own, named
after the agent and the revision that they run (``planner@7``). In the end the own unit takes the
new version on, a few agents at a time, and green goes once that is healthy. An agent that cannot
run twice, as a program with a fixed port, is moved by having its own unit take the new version on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.rollouts import GOES_BACK, Arm, RolloutState
from sutazai.fleet.spec import Agent, Runtime, Temperature
from sutazai.rollout.machine import weights_of

AT_ONCE = 10
"""Agents whose own units take the new version on at the same time."""
SLEEPY = 5.0
"""Seconds without work after which what is on standby goes to sleep."""


class Side(StrEnum):
    """The revision that a unit runs: that before the rollout, or that after it."""

    OLD = "old"
    NEW = "new"


@dataclass(frozen=True)
class ArmUnit:
    """One unit of an agent that moves."""

    name: str
    side: Side
    standby: bool = False
    awake: bool = False

    def of(self, planned: DesiredUnit) -> DesiredUnit:
        """``planned``, the agent's unit at this side's revision, as this arm runs it."""
        update: dict[str, object] = {"standby": self.standby}
        if self.name != planned.name:
            update |= {"name": self.name, "agent": planned.name}
        if self.standby:
            update |= {"temperature": Temperature.WARM, "idle_after": SLEEPY}
        elif self.awake and planned.temperature is Temperature.WARM:
            update["temperature"] = Temperature.HOT
        return planned.model_copy(update=update)


@dataclass(frozen=True)
class DoorShare:
    """How an agent's door shares its calls out, as `Door` has it."""

    weights: Mapping[str, float] = field(default_factory=dict)
    wakes: str = ""
    loyal: bool = True


@dataclass(frozen=True)
class Arms:
    """All of them; agents that do not move are not named."""

    units: Mapping[str, tuple[ArmUnit, ...]] = field(default_factory=dict)
    doors: Mapping[str, DoorShare] = field(default_factory=dict)


NO_ARMS = Arms()


def unit_of(agent: str, arm: Arm, state: RolloutState) -> str:
    """The name of the unit that an arm of an agent is."""
    revisions = {Arm.GREEN: state.after, Arm.BASELINE: state.before}
    return f"{agent}@{revisions[arm]}" if arm in revisions else agent


def runs_twice(agent: Agent) -> bool:
    """Whether two versions of it can run beside each other: its instances have no port of theirs
    that is fixed."""
    if agent.runtime is Runtime.PYTHON:
        return True
    words = (*agent.command, *agent.environment.values())
    templated = any("{port}" in word for word in words)
    return agent.runtime is Runtime.COMMAND and templated


def arms_of(
    state: RolloutState, agents: Mapping[str, Agent], settled: Set[str] = frozenset()
) -> Arms:
    """The units and doors that the state wants.

    Args:
        agents: as they are declared after the rollout.
        settled: agents whose own units run the new version and are well.
    """
    taking_over = _taking_over(state, settled)
    units: dict[str, tuple[ArmUnit, ...]] = {}
    doors: dict[str, DoorShare] = {}
    for agent in state.agents:
        if not runs_twice(agents[agent]):
            units[agent] = (ArmUnit(agent, _side_in_place(agent, state)),)
        else:
            units[agent] = tuple(_beside(agent, state, taking_over, settled))
            doors[agent] = _door(agent, state, settled)
    return Arms(units, doors)


def _taking_over(state: RolloutState, settled: Set[str]) -> Set[str]:
    """Agents whose own units are to run the new version: those that did, and a few more."""
    left = [agent for agent in _without_blue(state) if agent not in settled]
    return {*settled, *left[:AT_ONCE]}


def _without_blue(state: RolloutState) -> Iterable[str]:
    """Agents that need their old version no more."""
    kept = {*state.blue}
    moved = {*state.moved}
    return [agent for agent in state.agents if agent in moved and agent not in kept]


def _side_in_place(agent: str, state: RolloutState) -> Side:
    goes_back = state.step in GOES_BACK and agent not in state.moved
    return Side.NEW if agent in state.green and not goes_back else Side.OLD


def _beside(
    agent: str, state: RolloutState, taking_over: Set[str], settled: Set[str]
) -> Iterable[ArmUnit]:
    present = agent in state.cohort
    if agent in taking_over:
        yield ArmUnit(agent, Side.NEW)
    else:
        yield ArmUnit(agent, Side.OLD, standby=agent in state.moved)
    if agent in state.green and agent not in settled:
        yield ArmUnit(unit_of(agent, Arm.GREEN, state), Side.NEW, awake=present)
    if agent in state.baseline:
        yield ArmUnit(unit_of(agent, Arm.BASELINE, state), Side.OLD, awake=present)


def _door(agent: str, state: RolloutState, settled: Set[str]) -> DoorShare:
    if agent in settled:
        return DoorShare()
    shares = weights_of(state)[agent]
    weights = {unit_of(agent, arm, state): share for arm, share in shares.items()}
    wakes = max(weights, key=weights.__getitem__)
    return DoorShare(weights, "" if wakes == agent else wakes, state.step not in GOES_BACK)
