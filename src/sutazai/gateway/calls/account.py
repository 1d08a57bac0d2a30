"""What is known of one call while it runs, and told exactly once when it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sutazai.fleet.errors import BadInput, NoModel, QueueFull, Refused, SutazaiError
from sutazai.gateway.backends.catalogue import Target
from sutazai.gateway.callers.budgets import Hold
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.callers.tasks import ServedCall
from sutazai.gateway.calls.ask import Ask
from sutazai.gateway.dialects.neutral import NO_USAGE, Usage
from sutazai.gateway.failures import UnknownModel
from sutazai.gateway.queue.admission import WaitedTooLong
from sutazai.gateway.records.call import CallRecord, Observer, Outcome

_REJECTED = (QueueFull, NoModel, WaitedTooLong, UnknownModel, BadInput, Refused)
_NOT_MADE = frozenset({Outcome.REJECTED, Outcome.EXPIRED})


class Account:
    """One call's facts, filled in on its way.

    ``begun`` is on the monotonic clock, ``at`` in seconds since 1970. ``hold`` is its place within
    its key's budget, ``served`` what it is to a task; both end with it. ``rates`` tells what the
    budget has left. ``lent`` says that the call is computed for others too, so that its client's
    leaving does not end it.

    Args:
        keeps: whether the record has prompts.
    """

    __slots__ = (
        "_clock", "_ended", "_keeps", "_observers", "_wall", "answer", "ask", "at", "backend",
        "begun", "bytes_out", "cache", "caller", "context", "first_token", "hold", "id", "lent",
        "model", "queued", "rates", "reason", "relayed", "served", "target",
    )  # fmt: skip

    def __init__(
        self,
        id: str,  # noqa: A002 (the word of the field)
        observers: tuple[Observer, ...],
        clock: Callable[[], float],
        wall: Callable[[], float],
        keeps: bool,  # by place, which costs half: one is made for each call
    ) -> None:
        self._observers = observers
        self._clock = clock
        self._wall = wall
        self._keeps = keeps
        self._ended = False
        self.id = id
        self.at = wall()
        self.begun = clock()
        self.caller: Caller | None = None
        self.ask: Ask | None = None
        self.target: Target | None = None
        self.hold: Hold | None = None
        self.rates: Sequence[tuple[str, str]] = ()
        self.served: ServedCall | None = None
        self.lent = False
        self.backend = self.model = ""
        self.relayed = False
        self.cache = self.context = self.reason = ""
        self.queued: float | None = None
        self.first_token: float | None = None
        self.bytes_out = 0
        self.answer: bytes | None = None

    @property
    def age(self) -> float:
        """Seconds since the call came."""
        return self._clock() - self.begun

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
        self, outcome: Outcome, usage: Usage = NO_USAGE, *, status: int = 200, error: str = ""
    ) -> None:
        """The call is over; only the first word counts."""
        if self._ended:
            return
        self._ended = True
        tokens = usage.prompt_tokens + usage.completion_tokens
        if self.hold is not None:
            self.hold.end(tokens, self._wall())
        if self.served is not None:
            if outcome in _NOT_MADE:
                self.served.withdraw()
            else:
                self.served.end(tokens)
        record = self._record(outcome, usage, status, error)
        for observer in self._observers:
            observer.observe(record)

    def fail(self, error: SutazaiError, usage: Usage = NO_USAGE) -> None:
        """The call is over, by ``error``."""
        self.end(_outcome_of(error), usage, status=error.http_status, error=error.code)

    def _record(self, outcome: Outcome, usage: Usage, status: int, error: str) -> CallRecord:
        caller, ask, target, served = self.caller, self.ask, self.target, self.served
        total = self._clock() - self.begun
        return CallRecord(
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
            "" if ask is None else ask.dialect,
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
            ask.raw if ask is not None and self._keeps else None,
            self.answer,
        )


def _outcome_of(error: SutazaiError) -> Outcome:
    if isinstance(error, WaitedTooLong) and error.expired:
        return Outcome.EXPIRED
    return Outcome.REJECTED if isinstance(error, _REJECTED) else Outcome.FAILED
