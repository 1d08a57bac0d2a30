"""A request on its way through a door: what of it reaches the agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sutazai.gateway.callers.handed import PREFIX, PRIORITY, RUN, TASK
from sutazai.gateway.callers.tasks import Work
from sutazai.wire import Headers, Request

BUFFERED_MAX = 1024 * 1024
"""Bodies up to so many bytes are taken in before they are passed on, so that a request can be sent
anew and an answer that is cut is told as an error."""

_HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade", "expect",
})  # fmt: skip
_NOT_THE_AGENTS = _HOP_BY_HOP | {"host", "authorization", "x-api-key", "api-key"}
"""Keys say who calls the gateway; an agent has no use for another's."""
_LENGTH = {"content-length"}
"""Said anew of a body that was taken in."""
_TO_AGENTS = {True: _NOT_THE_AGENTS | _LENGTH, False: _NOT_THE_AGENTS}
_TO_CALLERS = {True: _HOP_BY_HOP | _LENGTH, False: _HOP_BY_HOP}
"""What is kept back, by whether the body was taken in."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A request as it is passed on; ``body`` makes its body, anew for every attempt."""

    method: str
    target: str
    headers: Headers
    body: Callable[[], bytes | AsyncIterator[bytes]]

    @property
    def is_health(self) -> bool:
        return self.method == "GET" and self.target.partition("?")[0] == "/health"

    @property
    def asks_for_a_result(self) -> bool:
        return self.method == "POST" and self.target.partition("?")[0] == "/invoke"

    def serving(self, work: Work) -> Passage:
        """The same for an agent that is told which task it serves, and how much that matters."""
        told = [*self.headers, (TASK, work.task)]
        if work.run:
            told.append((RUN, work.run))
        if work.priority is not None:
            told.append((PRIORITY, work.priority.value))
        return Passage(self.method, self.target, Headers(told), self.body)


async def passage_of(request: Request, target: str) -> Passage:
    """What of ``request`` is passed on. Headers of the house are not: callers could lie in them."""
    headers = request.headers
    if "transfer-encoding" not in headers and length(headers, 0) <= BUFFERED_MAX:
        data = await request.read()
        passed = _passed(headers, _TO_AGENTS[True], PREFIX)
        return Passage(request.method, target, passed, lambda: data)
    passed = _passed(headers, _TO_AGENTS[False], PREFIX)
    return Passage(request.method, target, passed, request.stream)


def answered(headers: Headers, *, whole: bool) -> Headers:
    """What of an agent's answer reaches the caller; a body that is ``whole`` was taken in."""
    return _passed(headers, _TO_CALLERS[whole])


def _passed(headers: Headers, dropped: AbstractSet[str], prefix: str | None = None) -> Headers:
    """``headers`` without some, by name or prefix, and without those that are named to be for the
    next hop only."""
    if "connection" in headers:
        named = ",".join(headers.getall("connection")).lower().split(",")
        dropped = dropped | {name.strip() for name in named}
    return Headers(
        [
            pair
            for pair in headers
            if (name := pair[0].lower()) not in dropped
            and (prefix is None or not name.startswith(prefix))
        ]
    )


def length(headers: Headers, missing: int = BUFFERED_MAX + 1) -> int:
    """The declared length of a body, or ``missing`` where none is declared."""
    value = headers.get("content-length", "")
    return int(value) if value.isdecimal() else missing
