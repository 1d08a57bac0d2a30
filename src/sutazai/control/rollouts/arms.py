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

SLEEPY = 2.0
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


@dataclass(frozen=True)
class Takeover:
    """How far own units have taken the new version on.

    Args:
        begun: agents whose own units were told to.
        settled: those of them whose own units run it, and nothing else, and are well.
        done: those of them whose green has ended since.
    """

    begun: frozenset[str] = frozenset()
    settled: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()


NOBODY = Takeover()


def unit_of(agent: str, arm: Arm, state: RolloutState) -> str:
    """The name of the unit that an arm of an agent is."""
    if arm is Arm.BLUE:
        return agent
    return f"{agent}@{state.after if arm is Arm.GREEN else state.before}"


def runs_twice(agent: Agent) -> bool:
    """Whether two versions of it can run beside each other: its instances have no port of theirs
    that is fixed."""
    if agent.runtime is Runtime.PYTHON:
        return True
    words = (*agent.command, *agent.environment.values())
    templated = any("{port}" in word for word in words)
    return agent.runtime is Runtime.COMMAND and templated


def arms_of(state: RolloutState, agents: Mapping[str, Agent], takeover: Takeover = NOBODY) -> Arms:
    """The units and doors that the state wants; ``agents`` are as declared after the rollout."""
    ready = without_blue(state)
    settled = takeover.settled & {*ready}
    taking_over = _taking_over(ready, takeover, most=state.beside)
    shares = weights_of(state)
    units: dict[str, tuple[ArmUnit, ...]] = {}
    doors: dict[str, DoorShare] = {}
    for agent in state.agents:
        if not runs_twice(agents[agent]):
            units[agent] = (ArmUnit(agent, _side_in_place(agent, state)),)
        else:
            units[agent] = tuple(_beside(agent, state, taking_over, settled))
            doors[agent] = DoorShare() if agent in settled else _door(agent, state, shares[agent])
    return Arms(units, doors)


def without_blue(state: RolloutState) -> tuple[str, ...]:
    """Agents that need their old version no more."""
    kept, moved = {*state.blue}, {*state.moved}
    return tuple(agent for agent in state.agents if agent in moved and agent not in kept)


def _taking_over(ready: Iterable[str], takeover: Takeover, *, most: int) -> Set[str]:
    """Agents whose own units are to run the new version: who began never turns back, and others
    follow as far as there is room for green beside them."""
    begun = takeover.begun & {*ready}
    room = max(0, most - len(begun - takeover.done))
    waiting = [agent for agent in ready if agent not in begun]
    return {*begun, *waiting[:room]}


def _side_in_place(agent: str, state: RolloutState) -> Side:
    goes_back = state.step in GOES_BACK and agent not in state.moved
    return Side.NEW if agent in state.green and not goes_back else Side.OLD


def _beside(
    agent: str, state: RolloutState, taking_over: Set[str], settled: Set[str]
) -> Iterable[ArmUnit]:
    """Green and baseline are kept awake while they must show that they are well, and while they
    are compared: both begin alike."""
    rises = agent in state.cohort and (agent in state.compared or agent not in state.moved)
    if agent in taking_over:
        yield ArmUnit(agent, Side.NEW)
    else:
        yield ArmUnit(agent, Side.OLD, standby=agent in state.moved)
    if agent in state.green and agent not in settled:
        yield ArmUnit(unit_of(agent, Arm.GREEN, state), Side.NEW, awake=rises)
    if agent in state.baseline:
        yield ArmUnit(unit_of(agent, Arm.BASELINE, state), Side.OLD, awake=rises)


def _door(agent: str, state: RolloutState, shares: Mapping[Arm, float]) -> DoorShare:
    weights = {unit_of(agent, arm, state): share for arm, share in shares.items()}
    wakes = max(weights, key=weights.__getitem__)
    return DoorShare(weights, "" if wakes == agent else wakes, state.step not in GOES_BACK)
