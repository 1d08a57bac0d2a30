"""What is known of one call while it runs, and told exactly once when it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from sutazai.fleet.errors import BadInput, NoModel, QueueFull, Refused, SutazaiError, drop_traces
from sutazai.gateway.backends.catalogue import Target
from sutazai.gateway.callers.budgets import Hold
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.callers.tasks import ServedCall
from sutazai.gateway.calls.ask import Ask
from sutazai.gateway.dialects.neutral import NO_USAGE, Usage
from sutazai.gateway.failures import UnknownModel
from sutazai.gateway.queue.admission import WaitedTooLong
from sutazai.gateway.records.call import CallRecord, Outcome
from sutazai.gateway.records.ledger import Ledger

_REJECTED = (QueueFull, NoModel, WaitedTooLong, UnknownModel, BadInput, Refused)
_NOT_MADE = frozenset({Outcome.REJECTED, Outcome.EXPIRED})


class Account(msgspec.Struct, eq=False):
    """One call's facts, filled in on its way. A struct, because every call makes one.

    ``hold`` is its place within its key's budget, ``served`` what it is to a task; both end with
    it. ``rates`` tells what the budget has left. ``lent`` says that the call is computed for others
    too, so that its client's leaving does not end it.

    Args:
        begun: when it came, on the monotonic ``clock``.
        at: the same in seconds since 1970, as ``wall`` tells them.
        keeps: whether the record has prompts.
    """

    id: str
    ledger: Ledger
    clock: Callable[[], float]
    wall: Callable[[], float]
    keeps: bool
    begun: float
    at: float
    caller: Caller | None = None
    ask: Ask | None = None
    target: Target | None = None
    hold: Hold | None = None
    rates: Sequence[tuple[str, str]] = ()
    served: ServedCall | None = None
    lent: bool = False
    backend: str = ""
    model: str = ""
    relayed: bool = False
    cache: str = ""
    context: str = ""
    reason: str = ""
    queued: float | None = None
    first_token: float | None = None
    bytes_out: int = 0
    answer: bytes | None = None
    ended: bool = False

    @property
    def age(self) -> float:
        """Seconds since the call came."""
        return self.clock() - self.begun

    @property
    def task(self) -> str:
        return "" if self.served is None else self.served.task

    def headers(self) -> list[tuple[str, str]]:
        """What is known of the call's way, whatever came of it."""
        queued = self.age if self.queued is None else self.queued
        headers = [("x-sutazai-queue-ms", str(round(queued * 1000)))]
        if self.backend:
            headers.append(("x-sutazai-backend", self.backend))
        target = self.target
        if target is not None and target.tier is not None:
            headers.append(("x-sutazai-tier", target.tier))
            if target.version is not None:
                headers.append(("x-sutazai-version", target.version))
        if self.cache:
            headers.append(("x-sutazai-cache", self.cache))
        if self.context:
            headers.append(("x-sutazai-context", self.context))
        if self.reason:
            headers.append(("x-sutazai-reason", self.reason))
        headers += self.rates
        return headers

    def end(
        self, outcome: Outcome, usage: Usage = NO_USAGE, status: int = 200, error: str = ""
    ) -> None:
        """The call is over; only the first word counts."""
        if self.ended:
            return
        self.ended = True
        caller, ask, target, served = self.caller, self.ask, self.target, self.served
        if self.hold is not None or served is not None:
            self._settle(outcome, usage)
        total = self.clock() - self.begun
        record = CallRecord(
            self.id,
            self.at,
            "" if caller is None else caller.name,
            caller is not None and caller.agent,
            "" if served is None else served.task,
            "" if served is None else served.run,
            "" if caller is None else caller.priority,
            "" if target is None else target.tier or "",
            "" if target is None else target.version or "",
            self.model,
            self.backend,
            "" if ask is None else ask.codec.name,
            "" if ask is None else ask.form,
            ask is not None and ask.stream,
            outcome,
            status,
            error,
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            total if self.queued is None else self.queued,
            self.first_token or 0.0,
            total,
            0 if ask is None else len(ask.raw),
            self.bytes_out,
            self.cache,
            self.context.partition(";")[0],
            ask.raw if ask is not None and self.keeps else None,
            self.answer,
        )
        self.ledger.add(record)

    def fail(self, error: SutazaiError, usage: Usage = NO_USAGE) -> None:
        """The call is over, by ``error``."""
        self.end(_outcome_of(error), usage, status=error.http_status, error=error.code)
        drop_traces(error)

    def _settle(self, outcome: Outcome, usage: Usage) -> None:
        """Tells its budget and its task what it took."""
        tokens = usage.prompt_tokens + usage.completion_tokens
        if self.hold is not None:
            self.hold.end(tokens, self.wall())
        if self.served is None:
            return
        if outcome in _NOT_MADE:
            self.served.withdraw()
        else:
            self.served.end(tokens)


def _outcome_of(error: SutazaiError) -> Outcome:
    if isinstance(error, WaitedTooLong) and error.expired:
        return Outcome.EXPIRED
    return Outcome.REJECTED if isinstance(error, _REJECTED) else Outcome.FAILED
