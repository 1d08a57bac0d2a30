"""A request on its way through a door: what of it reaches the agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from sutazai.gateway.callers.handed import PREFIX, PRIORITY, TASK
from sutazai.gateway.callers.tasks import Work
from sutazai.wire import Headers, Request

BUFFERED_MAX = 1024 * 1024
"""Bodies up to so many bytes are taken in before they are passed on, so that a request can be sent
anew and an answer that is cut is told as an error."""

_HOP_BY_HOP = (
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade", "expect",
)  # fmt: skip
_NOT_THE_AGENTS = ("host", "authorization", "x-api-key", "api-key")
"""Keys say who calls the gateway; an agent has no use for another's."""


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
        headers = self.headers.with_(TASK, work.task)
        if work.priority is not None:
            headers = headers.with_(PRIORITY, work.priority.value)
        return Passage(self.method, self.target, headers, self.body)


async def passage_of(request: Request, target: str) -> Passage:
    """What of ``request`` is passed on. Headers of the house are not: callers could lie in them."""
    headers = _without_ours(without_hops(request.headers).without(*_NOT_THE_AGENTS))
    if "transfer-encoding" not in request.headers and length(request.headers, 0) <= BUFFERED_MAX:
        data = await request.read()
        return Passage(request.method, target, headers.without("content-length"), lambda: data)
    return Passage(request.method, target, headers, request.stream)


def without_hops(headers: Headers) -> Headers:
    """``headers`` without those that are for the next hop only."""
    named = [
        name.strip() for value in headers.getall("connection") for name in value.split(",") if name
    ]
    return headers.without(*_HOP_BY_HOP, *named)


def length(headers: Headers, missing: int = BUFFERED_MAX + 1) -> int:
    """The declared length of a body, or ``missing`` where none is declared."""
    value = headers.get("content-length", "")
    return int(value) if value.isdecimal() else missing


def _without_ours(headers: Headers) -> Headers:
    return Headers(pair for pair in headers if not pair[0].lower().startswith(PREFIX))
