"""How a rollout goes from one step to the next, and how its routing changes. Pure.

What must hold at every change stands here: a new step begins its time anew, and another routing
has another number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sutazai.fleet.rollouts import Arm, Moment, RolloutState, Step
from sutazai.rollout.machine.observation import Health, Observation

HISTORY = 200
"""Most moments that are kept; persons can pause as often as they like."""


def enter(
    state: RolloutState, step: Step, text: str, *, now: float, **changes: Any
) -> RolloutState:
    """``state`` at the beginning of ``step``; ``text`` tells people what has happened."""
    number = state.history[-1].number + 1 if state.history else 1
    moment = Moment(number=number, at=now, step=step, text=text)
    began: dict[str, Any] = {"step": step, "since": now, "elapsed": 0.0, "reason": text}
    history = (*state.history, moment)[-HISTORY:]
    return state.model_copy(update={**began, "history": history, **changes})


def reroute(state: RolloutState, *, moved: tuple[str, ...], split: bool = False) -> RolloutState:
    """The same with another routing; where it is another one, its time begins anew."""
    if moved == state.moved and split == state.split:
        return state
    change = {"moved": moved, "split": split, "generation": state.generation + 1, "elapsed": 0.0}
    return state.model_copy(update=change)


def confirmed(state: RolloutState, seen: Observation) -> bool:
    """Whether the gateway serves the routing that is wanted; without any change it does."""
    return state.generation in (0, seen.routed)


def weights_of(state: RolloutState) -> dict[str, Mapping[Arm, float]]:
    """For every agent the share of its new work that each arm gets; they add up to 1."""
    moved = set(state.moved)
    measured = set(state.compared) if state.split else set()
    green = state.plan.canary / 100
    return {
        agent: {
            Arm.BLUE: 0.0 if agent in moved else 1.0,
            Arm.GREEN: (green if agent in measured else 1.0) if agent in moved else 0.0,
            Arm.BASELINE: 1 - green if agent in measured and agent in moved else 0.0,
        }
        for agent in state.agents
    }


def runs(state: RolloutState) -> dict[str, tuple[Arm, ...]]:
    """Which arms of each agent are to run, whatever is decided next.

    A new control that reads ``state`` wants just these, before it has seen anything.
    """
    wanted = {Arm.BLUE: set(state.blue), Arm.GREEN: set(state.green)}
    wanted[Arm.BASELINE] = set(state.baseline)
    return {
        agent: tuple(arm for arm, agents in wanted.items() if agent in agents)
        for agent in state.agents
    }


def serving(state: RolloutState, agent: str) -> Arm:
    """The arm that an agent is left with when nothing is measured."""
    return Arm.GREEN if agent in state.moved else Arm.BLUE


def may_stop(state: RolloutState, seen: Observation, agent: str, arm: Arm) -> bool:
    """Never the arm that serves, and never one that may be well where the serving one is not."""
    left = serving(state, agent)
    return arm is not left and (seen.healthy(agent, left) or seen.fallen(agent, arm))


def drained(state: RolloutState, seen: Observation, agent: str, arm: Arm) -> bool:
    """Whether nothing is in hand any more, or its time is over."""
    if state.elapsed >= state.plan.drain:
        return True
    copy = seen.copy(agent, arm)
    return copy.in_hand == 0 and copy.health is not Health.UNKNOWN


def left_running(
    state: RolloutState, seen: Observation, arm: Arm, agents: tuple[str, ...]
) -> tuple[str, ...]:
    """Those of ``agents`` whose ``arm`` must not end yet."""
    if not confirmed(state, seen):
        return agents
    return tuple(
        agent
        for agent in agents
        if not (drained(state, seen, agent, arm) and may_stop(state, seen, agent, arm))
    )


def room(state: RolloutState, seen: Observation) -> int:
    """How many more copies may be awake beside those that serve.

    Blue that does not end its work in the time that it has for that counts no more.
    """
    late, moved = state.elapsed >= state.plan.drain, {*state.moved}
    taken = (
        seen.copy(agent, arm).awake
        for agent in state.agents
        for arm in ((Arm.BASELINE, Arm.BLUE) if agent in moved else (Arm.BASELINE, Arm.GREEN))
        if not (late and arm is Arm.BLUE)
    )
    return state.beside - sum(taken)


def all_absent(seen: Observation, agents: tuple[str, ...], arm: Arm) -> bool:
    return all(seen.absent(agent, arm) for agent in agents)
