"""What a rollout does next: its state and one look go in, its state and decisions come out. Pure.

The state is to be kept on disk *before* the decisions are carried out. Whoever is killed in between
loses nothing: all decisions follow from the state and the next look, and each is told again until
it is seen to be done.

Time is the wall clock's, which may jump and stands still for nobody. So a look counts for at most
`MAX_STEP` seconds, and for none where the clock went back: while nobody looks, no phase passes and
no deadline does.
"""

from __future__ import annotations

from sutazai.fleet.rollout_findings import Verdict
from sutazai.fleet.rollouts import GOES_BACK, Arm, RolloutState, Step
from sutazai.rollout.machine.back import abort, step_back
from sutazai.rollout.machine.decisions import Decision
from sutazai.rollout.machine.forward import JUDGED, WATCHED, open_window, step_forward
from sutazai.rollout.machine.observation import Observation
from sutazai.rollout.machine.steps import confirmed
from sutazai.rollout.machine.wanted import announced, wanted

MAX_STEP = 5.0
"""Most seconds that one look counts for; it looks about once a second."""

_WAITS = frozenset({Step.PAUSED, Step.INCONCLUSIVE})


def decide(state: RolloutState, seen: Observation) -> tuple[RolloutState, list[Decision]]:
    """The state after one look, to be kept first, and what is to be done then."""
    if not state.is_open:
        return state, list(announced(state, seen))
    after = _timed(state, seen)
    if after.step not in GOES_BACK:
        why = fault_of(after, seen)
        after = abort(after, why, now=seen.now) if why else step_forward(after, seen)
    if after.step in GOES_BACK:  # at once, not at the next look
        after = step_back(after, seen)
    return after, [*announced(after, seen), *wanted(after, seen)]


def fault_of(state: RolloutState, seen: Observation) -> str:
    """Why it must go back at once, or an empty text."""
    if tripped := [guard.words for guard in seen.guards if not guard.environment]:
        return "; ".join(tripped)
    fallen = (one for one in state.moved if seen.fallen(one, Arm.GREEN))
    if worse := [one for one in fallen if seen.healthy(one, Arm.BLUE)]:
        during = f", while {trouble}" if (trouble := _blamed_on_others(seen)) else ""
        return f"the new version of {', '.join(worse)} is not healthy{during}"
    judged = seen.judged
    if judged is None or judged.window != state.window or state.step not in WATCHED:
        return ""
    return judged.words or "it is worse" if judged.verdict is Verdict.FAIL else ""


def trouble_of(state: RolloutState, seen: Observation) -> str:
    """What holds it up and is not the new version's fault, or an empty text."""
    if both := [agent for agent in state.moved if seen.fallen(agent, Arm.GREEN)]:
        return f"neither version of {', '.join(both)} is healthy"
    return _blamed_on_others(seen)


def _blamed_on_others(seen: Observation) -> str:
    return "; ".join(guard.words for guard in seen.guards if guard.environment)


def _timed(state: RolloutState, seen: Observation) -> RolloutState:
    """The same after the time since the last look, as far as it counts."""
    seconds = min(MAX_STEP, max(0.0, seen.now - state.looked))
    goes_back = state.step in GOES_BACK
    trouble = "" if goes_back else trouble_of(state, seen)
    changes: dict[str, object] = {"looked": seen.now, "trouble": trouble}
    if seen.judged is not None and seen.judged.window == state.window:
        changes["evidence"] = seen.judged.whole
    if trouble:
        changes["held"] = state.held + seconds
    elif state.step not in _WAITS and confirmed(state, seen):
        changes["elapsed"] = state.elapsed + seconds
    after = state.model_copy(update=changes)
    if state.trouble and not trouble and state.step in JUDGED:
        return open_window(after, now=seen.now)  # what was measured meanwhile says nothing
    return after
