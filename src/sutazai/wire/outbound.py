"""Heads of messages as they are sent. Nothing that could break out of a header leaves here."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from http import HTTPStatus

from sutazai.fleet.errors import BadInput
from sutazai.wire.dialing import Route
from sutazai.wire.messages import Pairs, Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")
_TARGET = re.compile(r"/[!-\"$-~]*|\*")
_BODILESS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS", "TRACE"))  # without one by default
_FRAMING = frozenset(("content-length", "transfer-encoding", "connection"))
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Outgoing:
    """How a message goes out.

    Its frame is chunks, or ``length`` bytes, or where that is None the end of the connection.
    ``bare`` says of a response that it has no body, and of a request that its response has none.
    """

    __slots__ = ("bare", "chunked", "head", "keep_alive", "length")

    def __init__(
        self, head: bytes, bare: bool, chunked: bool, length: int | None, keep_alive: bool
    ) -> None:
        self.head = head
        self.bare = bare
        self.chunked = chunked
        self.length = length
        self.keep_alive = keep_alive


def plan_response(response: Response, method: str, *, old: bool, keep_alive: bool) -> Outgoing:
    """The head and the frame of ``response`` to a request. Raises BadInput where it cannot be sent.

    ``old`` says that the client speaks HTTP/1.0 and knows no chunks.
    """
    status = response.status
    if not 200 <= status <= 599:
        raise BadInput(f"{status} is not a status that a handler may answer with")
    fields = _fields(response.headers)
    empty = status == 204 or status == 304
    bare = empty or method == "HEAD"
    if empty:
        length = fields.length if status == 304 else None
    else:
        length = _length(response.body, fields.length, bare=bare)
    chunked = length is None and not empty and not old
    keep_alive = keep_alive and not fields.close and (empty or chunked or length is not None)
    start = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    if not keep_alive or old:
        start += f"connection: {'keep-alive' if keep_alive else 'close'}\r\n"
    date = "" if fields.dated else _date(int(time.time()))
    head = f"{start}{fields.text}{date}{_framing(length, chunked=chunked)}".encode("latin-1")
    return Outgoing(head, bare, chunked, length, keep_alive)


def plan_request(method: str, route: Route, target: str, headers: Pairs, body: object) -> Outgoing:
    """The head and the frame of a request. Raises BadInput where a part of it cannot be sent.

    ``target`` comes after the route's base. An iterated body is chunked, unless ``headers`` give
    a Content-Length. A Connection among them is obeyed where it says close and dropped otherwise.
    """
    fields = _fields(headers)
    make_line = _known_line if len(target) <= _KNOWN_TARGET_LONGEST else _request_line
    line = make_line(method, route.server, route.base + target)
    host = "" if fields.hosted else route.host
    length = fields.length
    if body or method not in _BODILESS:
        length = _length(body, length, bare=False)
    chunked = length is None and not isinstance(body, bytes)
    close = "connection: close\r\n" if fields.close else ""
    framing = _framing(length, chunked=chunked)
    head = f"{line}{host}{route.more}{fields.text}{close}{framing}".encode("latin-1")
    bare, keep_alive = method == "HEAD", not fields.close
    return Outgoing(head, bare, chunked, length, keep_alive)


_KNOWN_TARGET_LONGEST = 128


@lru_cache(maxsize=256)
def _known_line(method: str, server: str, target: str) -> str:
    return _request_line(method, server, target)


def _request_line(method: str, server: str, target: str) -> str:
    if not _METHOD.fullmatch(method):
        raise BadInput(f"not a method: {method!r}")
    if not _TARGET.fullmatch(target):
        raise BadInput(
            f"not a request target: {target!r}", hint="start with / and percent-encode the rest"
        )
    return f"{method} {server}{target} HTTP/1.1\r\n"


def _framing(length: int | None, *, chunked: bool) -> str:
    """A head's last lines."""
    if length is not None:
        return f"content-length: {length}\r\n\r\n"
    return "transfer-encoding: chunked\r\n\r\n" if chunked else "\r\n"


def _length(body: object, declared: int | None, *, bare: bool) -> int | None:
    if not isinstance(body, bytes):
        if not (hasattr(body, "__aiter__") or hasattr(body, "attach")):
            raise BadInput(
                f"a body is bytes, an async iterator of them or pushed, not {type(body)}"
            )
        return declared
    if declared is None or declared == len(body):
        return len(body)
    if bare and not body:
        return declared
    raise BadInput(f"a message declares {declared} bytes and has {len(body)}")


def _fields(headers: Pairs) -> _Fields:
    return _known_fields(headers) if type(headers) is tuple else _Fields(headers)


@lru_cache(maxsize=512)
def _known_fields(headers: tuple[tuple[str, str], ...]) -> _Fields:
    return _Fields(headers)


class _Fields:
    """Headers of a handler or caller, without those that say how the message is framed.

    Raises BadInput where one could break out of its line.
    """

    __slots__ = ("close", "dated", "hosted", "length", "text")

    def __init__(self, headers: Pairs) -> None:
        self.length: int | None = None
        self.close = self.dated = self.hosted = False
        text = ""
        for name, value in headers:
            key = _KNOWN_NAMES.get(name) or _checked_name(name)
            # Nearly all values pass the first test, which is five times faster than the second.
            if not (value.isascii() and value.isprintable()) and not _VALUE.fullmatch(value):
                raise _unsendable(name)
            if key in _NOTED:
                self._note(key, value)
            if key not in _FRAMING:
                text += f"{name}: {value}\r\n"
        self.text = text

    def _note(self, key: str, value: str) -> None:
        if key == "date":
            self.dated = True
        elif key == "host":
            self.hosted = True
        elif key == "connection":
            self.close = self.close or "close" in value.lower()
        elif key == "transfer-encoding":
            raise BadInput("a message must not frame itself: it has a Transfer-Encoding")
        elif self.length is None and value.isascii() and value.isdigit() and len(value) < 19:
            self.length = int(value)
        else:
            raise BadInput(f"a Content-Length cannot be sent: {value!r}")


_NOTED = _FRAMING | {"date", "host"}

# Names that were found good, in small letters. Strangers choose names too, so it is bounded.
_KNOWN_NAMES: dict[str, str] = {}
_KNOWN_NAMES_MAX = 1000
_KNOWN_NAME_LONGEST = 64


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _unsendable(name)
    key = name.lower()
    if len(name) <= _KNOWN_NAME_LONGEST and len(_KNOWN_NAMES) < _KNOWN_NAMES_MAX:
        _KNOWN_NAMES[name] = key
    return key


def _unsendable(name: str) -> BadInput:
    # Only the name is told: the value may be a secret.
    return BadInput(f"a header cannot be sent: {name!r}")


@lru_cache(maxsize=1)
def _date(now: int) -> str:
    """The Date header of a second; written by hand because strftime follows the locale."""
    t = time.gmtime(now)
    return (
        f"date: {_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year}"
        f" {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT\r\n"
    )
