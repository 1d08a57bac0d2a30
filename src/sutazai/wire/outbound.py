"""Heads of messages as they are sent. Nothing that could break out of a header leaves here."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from http import HTTPStatus

from sutazai.fleet.errors import BadInput
from sutazai.wire.dialing import Route
from sutazai.wire.messages import Pairs, Response
from sutazai.wire.opaque import Opaque
from sutazai.wire.writer import COALESCED_MAX

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")
_TARGET = re.compile(r"/[!-\"$-~]*|\*")
_BODILESS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS", "TRACE"))  # without one by default
_EMPTY = (204, 304)
_FRAMING = frozenset(("content-length", "transfer-encoding", "connection"))
_CLOSE = b"connection: close\r\n"
_SIZED = b"%bcontent-length: %d\r\n\r\n"  # the end of a head, as the next
_CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Outgoing(Opaque, gc=False):
    """How a message goes out.

    Its frame is chunks, or ``length`` bytes, or where that is None the end of the connection.
    ``bare`` says that it has no body, ``keep_alive`` that another message may come after it.
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
    status, headers = response.status, response.headers
    start = _known_answer(status, headers) if type(headers) is tuple else _answer(status, headers)
    body, length = response.body, start.length
    empty = status in _EMPTY
    bare = empty or method == "HEAD"
    if empty:
        length = length if status == 304 else None
    elif length is None and isinstance(body, bytes):
        length = len(body)
    else:
        _check_length(body, length, bare=bare)
    chunked = length is None and not empty and not old
    keep_alive = keep_alive and not start.close and (empty or chunked or length is not None)
    text = start.text if start.dated else start.text + _date(int(time.time()))
    if not keep_alive:
        text += _CLOSE
    elif old:
        text += b"connection: keep-alive\r\n"
    if length is not None:
        text = _SIZED % (text, length)
    else:
        text += _CHUNKED if chunked else b"\r\n"
    return Outgoing(text, bare, chunked, length, keep_alive)


def usual_response(response: Response, method: str) -> bytes | None:
    """``response`` as it goes to a client of HTTP/1.1 whose connection goes on; None where it is
    not small and whole, or something about it is special. Raises as `plan_response`."""
    status, headers, body = response.status, response.headers, response.body
    if type(headers) is not tuple or type(body) is not bytes or len(body) > COALESCED_MAX:
        return None
    start = _known_answer(status, headers)
    if start.close or start.length is not None or status in _EMPTY or method == "HEAD":
        return None
    text = start.text if start.dated else start.text + _date(int(time.time()))
    return b"%bcontent-length: %d\r\n\r\n%b" % (text, len(body), body)


def request_head(method: str, route: Route, target: str, headers: Pairs, body: bytes) -> bytes:
    """The head of a request. Raises BadInput where a part of it, or the body, cannot be sent.

    ``target`` comes after the route's base. A Connection among ``headers`` is obeyed where it says
    close and dropped otherwise.
    """
    if type(headers) is tuple and len(target) <= _KNOWN_TARGET_LONGEST:
        start = _known_question(method, route, target, headers)
    else:
        start = _question(method, route, target, headers)
    if start.length is not None:
        _check_length(body, start.length)
    elif not body and method in _BODILESS:
        return start.text + b"\r\n"
    return _SIZED % (start.text, len(body))


def plan_upload(method: str, route: Route, target: str, headers: Pairs, body: object) -> Outgoing:
    """The head and the frame of a request with an iterated body; else as `request_head`.

    It is chunked, unless ``headers`` give a Content-Length.
    """
    start = _question(method, route, target, headers)
    length = start.length
    _check_length(body, length)
    head = start.text + _CHUNKED if length is None else _SIZED % (start.text, length)
    return Outgoing(head, False, length is None, length, not start.close)


def _answer(status: int, headers: Pairs) -> _Start:
    if not 200 <= status <= 599:
        raise BadInput(f"{status} is not a status that a handler may answer with")
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    return _Start(line, _Fields(headers))


def _question(method: str, route: Route, target: str, headers: Pairs) -> _Start:
    fields = _Fields(headers)
    line = _request_line(method, route.server, route.base + target)
    start = _Start(f"{line}{'' if fields.hosted else route.host}{route.more}", fields)
    if start.close:
        start.text += _CLOSE
    return start


# Most messages begin as others have; the headers are hashed each time, which is far less.
_known_answer = lru_cache(maxsize=512)(_answer)
_known_question = lru_cache(maxsize=512)(_question)
_KNOWN_TARGET_LONGEST = 128


def _request_line(method: str, server: str, target: str) -> str:
    if not _METHOD.fullmatch(method):
        raise BadInput(f"not a method: {method!r}")
    if not _TARGET.fullmatch(target):
        raise BadInput(
            f"not a request target: {target!r}", hint="start with / and percent-encode the rest"
        )
    return f"{method} {server}{target} HTTP/1.1\r\n"


def _check_length(body: object, declared: int | None, *, bare: bool = False) -> None:
    """Raises BadInput for what is no body, or not of the length that the headers declare."""
    if not isinstance(body, bytes):
        if not (hasattr(body, "__aiter__") or hasattr(body, "attach")):
            raise BadInput(
                f"a body is bytes, an async iterator of them or pushed, not {type(body)}"
            )
    elif len(body) != declared and (body or not bare):
        raise BadInput(f"a message declares {declared} bytes and has {len(body)}")


class _Start:
    """A head without what may differ each time: its date, its frame.

    Attributes:
        length: the body's, as the headers declare it.
    """

    __slots__ = ("close", "dated", "length", "text")

    def __init__(self, first_lines: str, fields: _Fields) -> None:
        self.text = f"{first_lines}{fields.text}".encode("latin-1")
        self.close = fields.close
        self.dated = fields.dated
        self.length = fields.length


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
def _date(now: int) -> bytes:
    """The Date header of a second; written by hand because strftime follows the locale."""
    t = time.gmtime(now)
    return (
        f"date: {_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year}"
        f" {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT\r\n"
    ).encode()
