"""Heads of messages as they are sent. Nothing that could break out of a header leaves here."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus

from sutazai.fleet.errors import BadInput
from sutazai.wire.address import Address
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


@dataclass(slots=True)
class Outgoing:
    """How a message goes out.

    Its frame is chunks, or ``length`` bytes, or where that is None the end of the connection.
    ``bare`` says of a response that it has no body, and of a request that its response has none.
    """

    head: bytes
    bare: bool
    chunked: bool
    length: int | None
    keep_alive: bool


def plan_response(response: Response, method: str, *, old: bool, keep_alive: bool) -> Outgoing:
    """The head and the frame of ``response`` to a request. Raises BadInput where it cannot be sent.

    ``old`` says that the client speaks HTTP/1.0 and knows no chunks.
    """
    status = response.status
    if not 200 <= status <= 599:
        raise BadInput(f"{status} is not a status that a handler may answer with")
    fields = _read(response.headers)
    empty = status == 204 or status == 304
    bare = empty or method == "HEAD"
    if empty:
        length = fields.length if status == 304 else None
    else:
        length = _length(response.body, fields.length, bare=bare)
    chunked = length is None and not empty and not old
    keep_alive = keep_alive and not fields.close and (empty or chunked or length is not None)
    lines = fields.lines
    _add_framing(lines, length, chunked=chunked)
    if not keep_alive or old:
        lines.append(f"connection: {'keep-alive' if keep_alive else 'close'}\r\n")
    if "date" not in fields.keys:
        lines.append(_date(int(time.time())))
    start = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    return Outgoing(_joined(start, lines), bare, chunked, length, keep_alive)


def plan_request(
    method: str, address: Address, target: str, headers: Pairs, body: object
) -> Outgoing:
    """The head and the frame of a request. Raises BadInput where a part of it cannot be sent.

    ``target`` comes after the address's base. An iterated body is chunked, unless ``headers`` give
    a Content-Length. A Connection among them is obeyed where it says close and dropped otherwise.
    """
    target = address.base + target
    if not _METHOD.fullmatch(method):
        raise BadInput(f"not a method: {method!r}")
    if not _TARGET.fullmatch(target):
        raise BadInput(
            f"not a request target: {target!r}", hint="start with / and percent-encode the rest"
        )
    fields = _read(headers)
    start = f"{method} {target} HTTP/1.1\r\n"
    if "host" not in fields.keys:
        start += f"host: {address.authority}\r\n"
    length = fields.length
    if body or method not in _BODILESS:
        length = _length(body, length, bare=False)
    chunked = length is None and not isinstance(body, bytes)
    _add_framing(fields.lines, length, chunked=chunked)
    if fields.close:
        fields.lines.append("connection: close\r\n")
    head = _joined(start, fields.lines)
    return Outgoing(head, method == "HEAD", chunked, length, not fields.close)


def _joined(start: str, lines: list[str]) -> bytes:
    return f"{start}{''.join(lines)}\r\n".encode("latin-1")


def _add_framing(lines: list[str], length: int | None, *, chunked: bool) -> None:
    if length is not None:
        lines.append(f"content-length: {length}\r\n")
    elif chunked:
        lines.append("transfer-encoding: chunked\r\n")


def _length(body: object, declared: int | None, *, bare: bool) -> int | None:
    if not isinstance(body, bytes):
        if not hasattr(body, "__aiter__"):
            raise BadInput(f"a body is bytes or an async iterator of them, not {type(body)}")
        return declared
    if declared is None or declared == len(body):
        return len(body)
    if bare and not body:
        return declared
    raise BadInput(f"a message declares {declared} bytes and has {len(body)}")


@dataclass(slots=True)
class _Fields:
    """Headers of a handler or caller, without those that say how the message is framed."""

    lines: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)  # names in small letters
    length: int | None = None
    close: bool = False


def _read(headers: Pairs) -> _Fields:
    """The headers, checked. Raises BadInput where one could break out of its line."""
    fields = _Fields()
    lines, keys = fields.lines, fields.keys
    for name, value in headers:
        key = _KNOWN_NAMES.get(name) or _checked_name(name)
        # Nearly all values pass the first test, which is five times faster than the second.
        if not (value.isascii() and value.isprintable()) and not _VALUE.fullmatch(value):
            raise _unsendable(name)
        if key in _FRAMING:
            _read_framing(fields, key, value)
        else:
            keys.add(key)
            lines.append(f"{name}: {value}\r\n")
    return fields


def _read_framing(fields: _Fields, key: str, value: str) -> None:
    if key == "connection":
        fields.close = fields.close or "close" in value.lower()
    elif key == "transfer-encoding":
        raise BadInput("a message must not frame itself: it has a Transfer-Encoding")
    elif fields.length is not None or not (value.isascii() and value.isdigit() and len(value) < 19):
        raise BadInput(f"a Content-Length cannot be sent: {value!r}")
    else:
        fields.length = int(value)


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
