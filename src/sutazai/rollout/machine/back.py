"""The way back: one change of routing, then what is in hand drains, then green ends. Pure.

1. Every agent that has new work with green goes back to blue, all in one routing. Nothing goes
   through a canary again.
2. Only when the gateway has confirmed it do green and the baseline drain, and then end.
3. An agent whose blue is broken and whose other copy is well is *alone*: it stays where it is, and
   that copy does not end. The rollout is halted until blue is well again, or a person says that
   they are to be left so.
"""

from __future__ import annotations

from sutazai.fleet.rollouts import Arm, RolloutState, Step
from sutazai.rollout.machine.observation import Health, Observation
from sutazai.rollout.machine.steps import all_absent, confirmed, enter, left_running, reroute


def abort(state: RolloutState, why: str, *, now: float) -> RolloutState:
    """The first step of the way back. Blue of every agent is to run, also where it had ended."""
    changes = {"was": None, "failed": why, "blue": state.agents, "trouble": ""}
    return enter(state, Step.ABORTING, f"goes back: {why}", now=now, **changes)


def step_back(state: RolloutState, seen: Observation) -> RolloutState:
    """One look on the way back."""
    alone = tuple(agent for agent in state.agents if _is_alone(agent, seen))
    state = _routed_back(state.model_copy(update={"alone": alone}), seen)
    state = _emptied(state, seen)
    if _is_back(state, seen):
        return _rolled_back(state, now=seen.now)
    return _halted_or_not(state, seen)


def _is_alone(agent: str, seen: Observation) -> bool:
    others = (Arm.GREEN, Arm.BASELINE)
    return not seen.healthy(agent, Arm.BLUE) and any(seen.healthy(agent, arm) for arm in others)


def _routed_back(state: RolloutState, seen: Observation) -> RolloutState:
    """To blue, but for agents whose green alone is well; a person's word may bring some to it."""
    alone = {agent for agent in state.alone if seen.healthy(agent, Arm.GREEN)}
    stays = {agent for agent in state.moved if agent in alone} | {
        agent for agent in state.kept if agent in state.moved or seen.healthy(agent, Arm.GREEN)
    }
    return reroute(state, moved=tuple(agent for agent in state.agents if agent in stays))


def _emptied(state: RolloutState, seen: Observation) -> RolloutState:
    """What is drained and may end is not to run any more; what would be missed is kept."""
    kept = set(state.kept)

    def left(arm: Arm, running: tuple[str, ...]) -> tuple[str, ...]:
        missed = [one for one in state.alone if seen.healthy(one, arm)]
        ending = tuple(one for one in dict.fromkeys((*running, *missed)) if one not in kept)
        return (*left_running(state, seen, arm, ending), *(one for one in running if one in kept))

    green, baseline = left(Arm.GREEN, state.green), left(Arm.BASELINE, state.baseline)
    return state.model_copy(update={"green": green, "baseline": baseline})


def _is_back(state: RolloutState, seen: Observation) -> bool:
    to_end = tuple(agent for agent in state.agents if agent not in state.kept)
    return confirmed(state, seen) and all(
        all_absent(seen, to_end, arm) for arm in (Arm.GREEN, Arm.BASELINE)
    )


def _rolled_back(state: RolloutState, *, now: float) -> RolloutState:
    text = f"rolled back: {state.failed}"
    if state.kept:
        text += f"; left as they were: {', '.join(state.kept)}"
    return enter(state, Step.ROLLED_BACK, text, now=now)


def _halted_or_not(state: RolloutState, seen: Observation) -> RolloutState:
    """``elapsed`` goes on: being halted takes nothing from the time to drain.

    Blue that was asleep takes a moment to be there again, which is no reason to halt.
    """
    waits = [agent for agent in state.alone if agent not in state.kept]
    late = state.elapsed >= state.plan.start
    rises = {one for one in waits if seen.copy(one, Arm.BLUE).health is Health.STARTING}
    broken = [one for one in waits if late or one not in rises]
    going_on = {"now": seen.now, "elapsed": state.elapsed}
    if broken and state.step is Step.ABORTING:
        text = (
            f"halted: the old version of {', '.join(broken)} is broken, and the other copy is kept"
        )
        return enter(state, Step.HALTED, text, **going_on)
    if not waits and state.step is Step.HALTED:
        return enter(state, Step.ABORTING, "the old version is well again", **going_on)
    return state
