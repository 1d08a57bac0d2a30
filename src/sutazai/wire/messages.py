"""Requests and responses as handlers see them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Protocol, Self
from urllib.parse import parse_qsl, unquote

import msgspec

from sutazai.fleet.errors import BadInput, SutazaiError
from sutazai.wire.headers import Headers
from sutazai.wire.inbound import Body, Inbound, Whole
from sutazai.wire.opaque import Opaque
from sutazai.wire.pushing import Pushed

Pairs = Iterable[tuple[str, str]]
"""Header fields. How a tuple of pairs is sent is remembered, so what is always the same, or nearly,
is best given as one."""

QUERY_FIELDS_MAX = 1000


class BodyTooLarge(BadInput):
    http_status = 413


class RequestTimeout(BadInput):
    http_status = 408


class Carrier(Protocol):
    """What a request came over."""

    def begin_response(self, headers: Pairs, body: Pushed, method: str) -> None: ...

    def remember(self, handler: Handler) -> None: ...

    def specialise(self, handler: Handler) -> None: ...


class Request(Opaque):
    """What a client asks.

    Attributes:
        method: in capitals as sent.
        target: as sent, query included; fit to be passed on.
        headers: as sent.
        listener: the name of the listener it came in on.
        peer: ``host:port`` of the client, empty on a Unix socket.
        params: what a `Router` found in the path.
    """

    method: str
    target: str
    headers: Headers
    _body: Body
    _limit: int
    _length: int | None = None
    listener: str = ""
    peer: str = ""
    _carrier: Carrier | None = None
    params: dict[str, str] = msgspec.field(default_factory=dict)
    _query: dict[str, str] | None = None

    def begin(self, headers: Pairs, body: Pushed) -> None:
        """Begin the response, with status 200, while its handler does not know the answer yet.

        What ``body`` writes goes out at once. Of the response that the handler returns in the end
        only the body is sent, after it; one of another status cuts the stream. ``body`` is the
        handler's to close. Does nothing for a request that came over no connection. Raises BadInput
        where the headers cannot be sent.
        """
        if self._carrier is not None:
            self._carrier.begin_response(headers, body, self.method)

    def remember(self, handler: Handler) -> None:
        """Have ``handler`` asked at once, in place of the server's, for requests that come next on
        the same connection with the same head but for the length of their body.

        For who chose it by nothing else, and forgets no check that may end otherwise next time. It
        holds until `Server.forget`.
        """
        if self._carrier is not None:
            self._carrier.remember(handler)

    def specialise(self, handler: Handler) -> None:
        """Have ``handler`` asked in place of the one that is remembered, if one is.

        For who has found out more that depends on the head alone. It holds as long.
        """
        if self._carrier is not None:
            self._carrier.specialise(handler)

    @classmethod
    def made(cls, method: str, target: str, body: bytes) -> Self:
        """One that came over no connection."""
        return cls(method, target, Headers(), Whole(body), len(body))

    @property
    def raw_path(self) -> str:
        """The path as sent, without the query."""
        return self.target.partition("?")[0]

    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
        return unquote(self.raw_path)

    @property
    def query(self) -> dict[str, str]:
        """The query's fields, decoded; of several by one name the last. Raises BadInput."""
        if self._query is None:
            text = self.target.partition("?")[2]
            self._query = _parse_query(text) if text else {}
        return self._query

    def stream(self) -> AsyncIterator[bytes]:
        """The body in pieces as they come; the client waits while nobody reads.

        Raises PeerClosed, RequestTimeout, or BadInput where its framing is broken.
        """
        body = self._body
        if isinstance(body, Inbound):
            body.wanted = True
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while piece := await self._body.next_piece():
            yield piece

    def at_hand(self) -> bytes | None:
        """The whole body, once, where it came with the head, as nearly always; else None, and
        `read` has it, or tells what is wrong."""
        return self._body.at_hand(self._limit)

    async def read(self) -> bytes:
        """The whole body, once. Raises as `stream` does, and BodyTooLarge above the limit."""
        data = self.at_hand()
        if data is None and (self._length or 0) <= self._limit:
            data = await self._body.collect(self._limit)
        if data is None:
            raise BodyTooLarge(f"the body is longer than {self._limit} bytes", limit=self._limit)
        return data

    async def json(self) -> Any:
        """The body as JSON. Raises as `read` does, and BadInput where it is not JSON."""
        body = await self.read()
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as cause:
            raise BadInput(f"the body is not JSON: {cause}") from cause


def _parse_query(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX))
    except ValueError as cause:
        raise BadInput(f"the query cannot be used: {cause}") from cause


class Response(Opaque):
    """What a handler answers.

    ``body`` is bytes; or an async iterator of them that is sent as it yields, and closed when the
    client is gone; or a `Pushed` body that is sent as it is written. The latter two are chunked,
    unless ``headers`` give a Content-Length. Who frames the message is the server: a
    Transfer-Encoding in ``headers`` is an error.
    """

    status: int = 200
    headers: Pairs = ()
    body: bytes | AsyncIterator[bytes] | Pushed = b""


Handler = Callable[[Request], Awaitable[Response]]

_JSON = ("content-type", "application/json")


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_ASCII_ENCODER = json.JSONEncoder(separators=(",", ":"))


def encode_json(value: Any) -> bytes:
    """``value`` as compact JSON in UTF-8."""
    try:
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as a model's output may have
        return _ASCII_ENCODER.encode(value).encode()


def json_response(value: Any, status: int = 200, headers: Pairs = ()) -> Response:
    """An answer in JSON."""
    return Response(status, (_JSON, *headers), encode_json(value))


def error_response(error: SutazaiError) -> Response:
    """``{"error": …}`` with the error's own HTTP status."""
    return json_response({"error": error.as_dict()}, error.http_status)
