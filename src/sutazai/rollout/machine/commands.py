"""What a person may say to a rollout, and when. Pure."""

from __future__ import annotations

from enum import StrEnum

from sutazai.fleet.errors import Conflict
from sutazai.fleet.rollouts import GOES_BACK, RolloutState, Step
from sutazai.rollout.machine.back import abort
from sutazai.rollout.machine.forward import WATCHED, open_window, passed, pause
from sutazai.rollout.machine.steps import enter


class Command(StrEnum):
    """Promote stands in for the evidence of the present step; abort goes back to blue."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"


def obey(state: RolloutState, command: Command, *, by: str, now: float) -> RolloutState:
    """The state after ``command``, to be kept like that after a look.

    Args:
        by: who says it, for the record.

    Raises:
        Conflict: it makes no sense where the rollout stands.
    """
    if not state.is_open:
        raise _refused(state, command, "start a new rollout to change anything")
    do = {
        Command.PAUSE: _pause,
        Command.RESUME: _resume,
        Command.PROMOTE: _promote,
        Command.ABORT: _abort,
    }
    return do[command](state, by, now)


def _pause(state: RolloutState, by: str, now: float) -> RolloutState:
    if state.step in GOES_BACK:
        raise _refused(state, Command.PAUSE, "a rollout that goes back is not held up")
    if state.step in (Step.PAUSED, Step.INCONCLUSIVE):
        raise _refused(state, Command.PAUSE, "it waits already")
    return pause(state, f"paused by {by}", now=now)


def _resume(state: RolloutState, by: str, now: float) -> RolloutState:
    """A pause loses nothing that was measured; what said nothing is measured anew."""
    if state.was is None:
        raise _refused(state, Command.RESUME, "only a paused or inconclusive one can be resumed")
    text = f"resumed by {by}"
    kept = {"was": None, "elapsed": state.elapsed}
    resumed = enter(state, state.was, text, now=now, **kept)
    if state.step is Step.INCONCLUSIVE:
        return open_window(resumed.model_copy(update={"held": 0.0}), now=now)
    return resumed


def _promote(state: RolloutState, by: str, now: float) -> RolloutState:
    if state.step not in WATCHED | {Step.WARM, Step.INCONCLUSIVE}:
        hint = "resume it first" if state.step is Step.PAUSED else "there is no evidence to skip"
        raise _refused(state, Command.PROMOTE, hint)
    return passed(state, f"promoted by {by}", now=now)


def _abort(state: RolloutState, by: str, now: float) -> RolloutState:
    """Of a halted one: those whose old version is broken are left with the copy that is well."""
    if state.step is Step.HALTED:
        kept = tuple(dict.fromkeys((*state.kept, *state.alone)))
        text = f"{by} leaves {', '.join(kept)} as they are"
        return enter(state, Step.ABORTING, text, now=now, kept=kept)
    if state.step is Step.ABORTING:
        raise _refused(state, Command.ABORT, "it goes back already")
    return abort(state, f"aborted by {by}", now=now)


def _refused(state: RolloutState, command: Command, hint: str) -> Conflict:
    return Conflict(
        f"a rollout that is {state.step} cannot be told to {command}",
        hint=hint,
        rollout=state.id,
        step=state.step,
    )
