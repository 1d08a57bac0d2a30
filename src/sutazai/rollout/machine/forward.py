"""The way forward: one function a step, each to the next step or nowhere. Pure."""

from __future__ import annotations

from collections.abc import Callable

from sutazai.fleet.rollouts import Arm, NoTraffic, RolloutState, Step, Verdict
from sutazai.fleet.units import format_duration
from sutazai.rollout.machine.back import abort
from sutazai.rollout.machine.observation import Check, Judged, Observation
from sutazai.rollout.machine.steps import (
    all_absent,
    confirmed,
    enter,
    left_running,
    reroute,
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
    """Green, and a baseline of the same size, of the present cohort are to run."""
    cohort = state.cohort
    return enter(
        state,
        Step.BASELINE_UP,
        f"{text}phase {_place(state)} begins with {len(cohort)} of {len(state.agents)} agents",
        now=now,
        green=tuple(dict.fromkeys((*state.green, *cohort))),
        baseline=cohort if state.plan.canary < 100 else (),
        tries=state.tries + 1,
    )


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
    ill = {
        arm: [agent for agent in agents if not seen.healthy(agent, arm)]
        for arm, agents in ((Arm.GREEN, state.cohort), (Arm.BASELINE, state.baseline))
    }
    if not any(ill.values()):
        moved = (*state.moved, *state.cohort)
        shifted = reroute(state, moved=moved, split=bool(state.baseline))
        return enter(shifted, Step.SHIFT, "green and baseline are healthy", now=seen.now)
    if state.elapsed >= state.plan.start:
        who = "; ".join(f"{arm} of {', '.join(names)}" for arm, names in ill.items() if names)
        took = format_duration(state.plan.start)
        return abort(state, f"not healthy within {took}: {who}", now=seen.now)
    return state


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
    if policy is NoTraffic.EXTEND and state.extended < most:
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
    return [agent for agent in state.baseline if seen.fallen(agent, Arm.BASELINE)]


def _again(state: RolloutState, seen: Observation) -> RolloutState:
    """Without its baseline a cohort cannot be measured: it goes back to blue, and begins anew."""
    who = ", ".join(_fallen_baselines(state, seen))
    if state.tries >= TRIES:
        text = f"the baseline of {who} broke {TRIES} times: the old version does not last either"
        return abort(state, text, now=seen.now)
    cohort = set(state.cohort)
    back = reroute(state, moved=tuple(one for one in state.moved if one not in cohort))
    back = back.model_copy(update={"was": None})
    anew = begin_phase(back, f"the baseline of {who} broke; ", now=seen.now)
    return pause(anew, "still paused", now=seen.now) if state.step is Step.PAUSED else anew


def _held_up(state: RolloutState, seen: Observation) -> RolloutState:
    if state.step in JUDGED and state.held > state.plan.extension:
        return inconclusive(state, state.trouble, now=seen.now)
    return state


def _place(state: RolloutState) -> str:
    return f"{state.phase + 1} of {len(state.stages)} ({state.stages[state.phase].name})"
