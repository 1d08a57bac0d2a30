"""What becomes of a task when an attempt at it ended. Pure."""

from __future__ import annotations

from sutazai.fleet.errors import SutazaiError, TaskLost, from_dict
from sutazai.fleet.work import Attempt, WorkState
from sutazai.store.turns import Claim, Ended
from sutazai.tasks.outcome import Outcome
from sutazai.tasks.queue.failing import PATIENCE, Again, Patience, after
from sutazai.tasks.retries import Retries

LONGEST = 3600.0
"""Seconds between two attempts at most."""


def ending(claim: Claim, outcome: Outcome, now: float, patience: Patience = PATIENCE) -> Ended:
    """How an attempt that gave ``outcome`` goes down in the table."""
    attempt = _attempt(claim, now, outcome.error, outcome.instance)
    if outcome.error is None:
        return Ended(claim.id, claim.fence, attempt, WorkState.DONE, output=outcome.value)
    own = Retries(claim.retries, first=claim.backoff, longest=LONGEST)
    error = from_dict(outcome.error)
    verdict = after(error, claim.earlier, own, patience)
    if isinstance(verdict, Again):
        reason = f"attempt {claim.attempt} failed: {error.message}"
        return Ended(claim.id, claim.fence, attempt, ready=now + verdict.delay, reason=reason)
    return _failed(claim, attempt, verdict)


def released(claim: Claim, why: str, now: float, *, delay: float = 0.0) -> Ended:
    """An attempt of which nobody will ever say how it ended: another one follows."""
    attempt = _attempt(claim, now, TaskLost(why).as_dict(), None)
    return Ended(claim.id, claim.fence, attempt, ready=now + delay, reason=why)


def _failed(claim: Claim, attempt: Attempt, error: SutazaiError) -> Ended:
    return Ended(
        claim.id,
        claim.fence,
        attempt,
        WorkState.FAILED,
        reason=error.message,
        error=error.as_dict(),
    )


def _attempt(
    claim: Claim, now: float, error: dict[str, object] | None, instance: str | None
) -> Attempt:
    return Attempt(
        number=claim.attempt,
        agent=claim.agent,
        executor=claim.executor,
        instance=instance,
        started=claim.begun,
        ended=now,
        error=error,
    )
