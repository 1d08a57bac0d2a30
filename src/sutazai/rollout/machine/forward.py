"""The way forward: one function a step, each to the next step or nowhere. Pure."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from sutazai.fleet.rollout_findings import Verdict
from sutazai.fleet.rollouts import Arm, NoTraffic, RolloutState, Step
from sutazai.fleet.units import format_duration
from sutazai.rollout.machine.back import abort
from sutazai.rollout.machine.observation import Check, Judged, Observation
from sutazai.rollout.machine.steps import (
    all_absent,
    confirmed,
    enter,
    left_running,
    reroute,
    room,
)

TRIES = 3
"""How often a phase may begin; each time but the first its baseline has broken."""

JUDGED = frozenset({Step.MEASURE, Step.VALIDATE})
"""Steps that end with a verdict."""
WATCHED = JUDGED | {Step.BAKE}
"""Steps in which evidence is gathered."""


def step_forward(state: RolloutState, seen: Observation) -> RolloutState:
    """One step forward where what it waits for is there."""
    if state.split and _fallen_baselines(state, seen):
        return _again(state, seen)
    if state.trouble:
        return _held_up(state, seen)
    course = _COURSE.get(state.step)
    return course(state, seen) if course else state


def open_window(state: RolloutState, *, now: float) -> RolloutState:
    """The same with a new window of evidence from now on."""
    window = {"window": state.window + 1, "extended": 0.0}
    return state.model_copy(update={**window, "opened": now, "elapsed": 0.0})


def target(state: RolloutState) -> float:
    """Seconds of evidence that the present step takes."""
    if state.phase < len(state.stages):
        return state.stages[state.phase].lasts + state.extended
    if Step.BAKE in (state.step, state.was):
        return state.plan.bake
    return state.plan.validation + state.extended


def passed(state: RolloutState, why: str, *, now: float) -> RolloutState:
    """What comes after the evidence: of a phase, of all, of the time in which blue is ready."""
    step = state.was or state.step
    state = state.model_copy(update={"was": None})
    if step is Step.VALIDATE:
        return open_window(enter(state, Step.BAKE, f"validated: {why}", now=now), now=now)
    if step is Step.BAKE:
        return enter(state, Step.FINISH, f"the old version may end: {why}", now=now)
    whole = reroute(state, moved=state.moved)
    return enter(whole, Step.SETTLE, f"phase {_place(state)} has passed: {why}", now=now)


def begin_phase(state: RolloutState, text: str, *, now: float) -> RolloutState:
    """The present cohort is to move, a few agents at a time."""
    size = f"{len(state.cohort)} of {len(state.agents)} agents"
    text = f"{text}phase {_place(state)} begins with {size}"
    return enter(state, Step.BASELINE_UP, text, now=now, tries=state.tries + 1)


def _pending(state: RolloutState, seen: Observation) -> RolloutState:
    checks = seen.preflight.checks
    if Check.BAD in checks.values():
        return abort(state, f"preflight failed: {seen.preflight.why}", now=seen.now)
    if all(check is Check.GOOD for check in checks.values()):
        return begin_phase(state, "", now=seen.now)
    if state.elapsed >= state.plan.preflight:
        waits = ", ".join(name for name, one in checks.items() if one is not Check.GOOD)
        took = format_duration(state.plan.preflight)
        return abort(state, f"preflight was not done within {took}: {waits}", now=seen.now)
    return state


def _baseline_up(state: RolloutState, seen: Observation) -> RolloutState:
    """Wave by wave: a few agents start, are moved once they are well, and make room for others as
    their blue falls asleep."""
    wave = [one for one in state.cohort if one in state.green and one not in state.moved]
    if not wave:
        return _next_wave(state, seen)
    beside = [one for one in wave if one in state.baseline]
    ill = {
        arm: [agent for agent in agents if not seen.healthy(agent, arm)]
        for arm, agents in ((Arm.GREEN, wave), (Arm.BASELINE, beside))
    }
    if not any(ill.values()):
        return reroute(state, moved=(*state.moved, *wave), split=bool(state.baseline))
    if state.elapsed >= state.plan.start:
        who = "; ".join(f"{arm} of {', '.join(names)}" for arm, names in ill.items() if names)
        took = format_duration(state.plan.start)
        return abort(state, f"not healthy within {took}: {who}", now=seen.now)
    return state


def _next_wave(state: RolloutState, seen: Observation) -> RolloutState:
    """Green of as many agents as there is room for, those that are compared first, with a baseline
    each: the others move while these are in use already."""
    others = (one for one in state.cohort if one not in state.compared)
    waiting = [one for one in (*state.compared, *others) if one not in state.moved]
    if not waiting:
        return enter(state, Step.SHIFT, "green and baseline are healthy", now=seen.now)
    if not confirmed(state, seen):
        return state
    costs = accumulate(2 if one in state.compared else 1 for one in waiting)
    left = room(state, seen)
    wave = [one for one, cost in zip(waiting, costs, strict=True) if cost <= left]
    if not wave:
        return state
    baseline = (*state.baseline, *(one for one in wave if one in state.compared))
    started = {"green": (*state.green, *wave), "baseline": baseline}
    return state.model_copy(update={**started, "elapsed": 0.0})


def _shift(state: RolloutState, seen: Observation) -> RolloutState:
    if not confirmed(state, seen):
        return state
    return enter(state, Step.WARM, "the gateway has confirmed the new weights", now=seen.now)


def _warm(state: RolloutState, seen: Observation) -> RolloutState:
    if state.elapsed < state.plan.warm:
        return state
    measured = enter(state, Step.MEASURE, f"phase {_place(state)} is measured", now=seen.now)
    return open_window(measured, now=seen.now)


def _judged(state: RolloutState, seen: Observation) -> RolloutState:
    judged = seen.judged
    if judged is None or judged.window != state.window or judged.seconds < target(state):
        return state
    if judged.verdict is Verdict.PASS:
        return passed(state, judged.words, now=seen.now)
    return _nothing_said(state, judged, now=seen.now)


def _nothing_said(state: RolloutState, judged: Judged, *, now: float) -> RolloutState:
    """What is declared for evidence that says nothing; at last a person is asked."""
    policy, most = state.plan.no_traffic, state.plan.extension
    once_more = target(state)
    if policy is NoTraffic.WAIT:
        return state.model_copy(update={"extended": once_more})
    if policy in (NoTraffic.EXTEND, NoTraffic.REPLAY) and state.extended < most:
        return state.model_copy(update={"extended": min(most, once_more)})
    return inconclusive(state, judged.words, now=now)


def pause(state: RolloutState, text: str, *, now: float) -> RolloutState:
    """Nothing goes forward any more, and nothing that was measured is lost."""
    return enter(state, Step.PAUSED, text, now=now, was=state.step, elapsed=state.elapsed)


def inconclusive(state: RolloutState, why: str, *, now: float) -> RolloutState:
    return enter(state, Step.INCONCLUSIVE, f"inconclusive: {why}", now=now, was=state.step)


def _settle(state: RolloutState, seen: Observation) -> RolloutState:
    """The baseline ends once the gateway gives it nothing more; then the next phase."""
    left = left_running(state, seen, Arm.BASELINE, state.baseline)
    state = state.model_copy(update={"baseline": left})
    if not confirmed(state, seen) or not all_absent(seen, state.cohort, Arm.BASELINE):
        return state
    state = state.model_copy(update={"phase": state.phase + 1, "tries": 0, "held": 0.0})
    if state.cohort:
        return begin_phase(state, "", now=seen.now)
    text = "all agents are moved, and are validated"
    return open_window(enter(state, Step.VALIDATE, text, now=seen.now), now=seen.now)


def _bake(state: RolloutState, seen: Observation) -> RolloutState:
    if state.elapsed < state.plan.bake:
        return state
    return passed(state, f"nothing went wrong for {format_duration(state.plan.bake)}", now=seen.now)


def _finish(state: RolloutState, seen: Observation) -> RolloutState:
    left = left_running(state, seen, Arm.BLUE, state.blue)
    state = state.model_copy(update={"blue": left})
    if not confirmed(state, seen) or not all_absent(seen, state.agents, Arm.BLUE):
        return state
    text = f"all {len(state.agents)} agents run the new version"
    return enter(state, Step.SUCCEEDED, text, now=seen.now)


_COURSE: dict[Step, Callable[[RolloutState, Observation], RolloutState]] = {
    Step.PENDING: _pending,
    Step.BASELINE_UP: _baseline_up,
    Step.SHIFT: _shift,
    Step.WARM: _warm,
    Step.MEASURE: _judged,
    Step.SETTLE: _settle,
    Step.VALIDATE: _judged,
    Step.BAKE: _bake,
    Step.FINISH: _finish,
}


def _fallen_baselines(state: RolloutState, seen: Observation) -> list[str]:
    in_use = [agent for agent in state.baseline if agent in state.moved]
    return [agent for agent in in_use if seen.fallen(agent, Arm.BASELINE)]


def _again(state: RolloutState, seen: Observation) -> RolloutState:
    """Without their baseline agents cannot be compared: they go back to blue, and begin anew."""
    who = ", ".join(_fallen_baselines(state, seen))
    if state.tries >= TRIES:
        text = f"the baseline of {who} broke {TRIES} times: the old version does not last either"
        return abort(state, text, now=seen.now)
    back = reroute(state, moved=tuple(one for one in state.moved if one not in state.compared))
    back = back.model_copy(update={"was": None})
    anew = begin_phase(back, f"the baseline of {who} broke; ", now=seen.now)
    return pause(anew, "still paused", now=seen.now) if state.step is Step.PAUSED else anew


def _held_up(state: RolloutState, seen: Observation) -> RolloutState:
    if state.step in JUDGED and state.held > state.plan.extension:
        return inconclusive(state, state.trouble, now=seen.now)
    return state


def _place(state: RolloutState) -> str:
    return f"{state.phase + 1} of {len(state.stages)} ({state.stages[state.phase].name})"
