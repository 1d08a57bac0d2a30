"""Where a rollout stands, in a sentence for a person. Pure."""

from __future__ import annotations

from sutazai.fleet.rollouts import RolloutState, Step
from sutazai.fleet.units import format_duration
from sutazai.rollout.machine.forward import target


def sentence(state: RolloutState, now: float) -> str:
    """What it waits for, and since when; ``now`` in wall-clock seconds."""
    since = format_duration(max(0.0, now - state.since))
    held = f", held up by: {state.trouble}" if state.trouble else ""
    return f"{_what(state)}{held} (for {since})"


def _what(state: RolloutState) -> str:
    done = f"{format_duration(state.elapsed)} of {format_duration(_takes(state))}"
    told = {
        Step.PENDING: f"waits for backends, baselines, a backup and a rehearsed way back: {done}",
        Step.BASELINE_UP: f"{_phase(state)}: moves, a few agents at a time: {done}",
        Step.SHIFT: f"{_phase(state)}: waits for the gateway to confirm the new weights",
        Step.WARM: f"{_phase(state)}: lets the new version warm up: {done}",
        Step.MEASURE: f"{_phase(state)}: compares both versions: {done}",
        Step.SETTLE: f"{_phase(state)}: passed, waits for its baseline to end",
        Step.VALIDATE: f"all {len(state.agents)} agents are moved and validated: {done}",
        Step.BAKE: f"all {len(state.agents)} agents are moved, the old version is ready: {done}",
        Step.FINISH: "the old version ends its work and goes",
        Step.PAUSED: f"{state.reason} in {state.was}; waits to be resumed",
        Step.INCONCLUSIVE: f"{state.reason}; waits for a person to promote, resume or abort",
        Step.ABORTING: f"{_back(state)}: {state.failed}",
        Step.HALTED: f"{state.reason}; mend the old version, or abort to leave them so",
    }
    return told.get(state.step, state.reason)


def _phase(state: RolloutState) -> str:
    if not state.cohort:
        return "after the last phase"
    name = state.stages[state.phase].name
    return (
        f"phase {state.phase + 1} of {len(state.stages)} ({name}, "
        f"{len(state.moved)} of {len(state.agents)} agents moved)"
    )


def _back(state: RolloutState) -> str:
    where = "of the new version" if not state.moved else "of all but those that stay"
    return f"goes back: waits for the gateway, then for the end {where}"


def _takes(state: RolloutState) -> float:
    """Seconds that the present step takes, or may take at most."""
    plan = state.plan
    fixed = {Step.PENDING: plan.preflight, Step.BASELINE_UP: plan.start, Step.WARM: plan.warm}
    return fixed[state.step] if state.step in fixed else target(state)
