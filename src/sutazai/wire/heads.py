"""Heads of messages, by the letter of RFC 9112 and no further.

One expression per line says all that is let in: names are tokens, with the colon right behind them;
values are printable, tabs and bytes above 127; each line ends in CR LF and none is folded. What
that leaves open and two programs could read in two ways is refused after it: unknown methods, two
lengths, a length beside a transfer coding, transfer codings other than ``chunked`` or in HTTP/1.0,
a missing or second Host, a target that names another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sutazai.wire.headers import Headers
from sutazai.wire.messages import Handler

END = b"\r\n\r\n"

METHODS = frozenset(
    (
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY",
        "PURGE", "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "SEARCH", "UNLOCK",
        "BIND", "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE", "M-SEARCH",
        "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "MKCALENDAR", "LINK", "UNLINK",
    )
)  # fmt: skip
"""What is anybody's method; a stranger's word for one is refused."""

_REQUEST_LINE = re.compile(r"([A-Z][A-Z-]*) ([!\"$-~]+) HTTP/1\.([01])\r\n")
_REQUEST_VERSION = re.compile(r"[!-~]+ [!-~]+ HTTP/([0-9]\.[0-9])\r\n")
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?\r\n")
_RESPONSE_VERSION = re.compile(r"HTTP/([0-9]\.[0-9]) ")
_FIELD = re.compile(
    r"^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)\r\n", re.MULTILINE
)
_ABSOLUTE = re.compile(r"[hH][tT][tT][pP][sS]?://([^/?#]*)")

_SINGLE = ("host", "content-length", "transfer-encoding", "expect")
"""Fields of which a second one is refused, though it says the same."""

_KEPT = ("keep-alive", "Keep-Alive")  # what nearly everybody says


class BadHead(Exception):
    """A head that is refused; ``status`` is what a client is told."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class RequestHead:
    """``length`` is the body's, 0 where there is none, None where it is chunked; ``handler`` is
    whom such requests are for, where that is known (see `Request.remember`)."""

    method: str
    target: str
    headers: Headers
    length: int | None
    old: bool
    keep_alive: bool
    expects: bool
    handler: Handler | None = None


@dataclass(slots=True)
class ResponseHead:
    """``length`` is the body's if declared; ``chunked`` and it never come together."""

    status: int
    headers: Headers
    length: int | None
    chunked: bool
    keep_alive: bool


def parse_request(head: bytes) -> RequestHead:
    """The head of a request, up to and with its empty line. Raises BadHead."""
    text = str(head, "latin-1")
    line = _REQUEST_LINE.match(text)
    if line is None:
        raise _bad_line(text, _REQUEST_VERSION)
    method, target, version = line.groups()
    if method not in METHODS:
        raise BadHead(f"the method is not known: {method[:32]}")
    headers, index = _fields(text, line.end())
    old = version == "0"
    if not old and "host" not in index:
        raise BadHead("the Host header is missing")
    if target[0] != "/":
        target = _origin_form(method, target, index.get("host"))
    length, chunked = _framing(index, old=old)
    return RequestHead(
        method,
        target,
        headers,
        None if chunked else length or 0,
        old,
        not _closes(headers, index, old=old),
        "expect" in index and _expects(index, old=old),
    )


def parse_response(head: bytes) -> ResponseHead:
    """The head of a response, up to and with its empty line. Raises BadHead."""
    text = str(head, "latin-1")
    line = _STATUS_LINE.match(text)
    if line is None:
        raise _bad_line(text, _RESPONSE_VERSION)
    version, status = line.groups()
    headers, index = _fields(text, line.end())
    old = version == "0"
    length, chunked = _framing(index, old=old)
    keep_alive = not _closes(headers, index, old=old)
    return ResponseHead(int(status), headers, length, chunked, keep_alive)


Head = TypeVar("Head", RequestHead, ResponseHead)


class HeadReader(Generic[Head]):
    """Reads the heads of one connection, of which most are the one before but for its length.

    Such a one is not parsed again: all before the digits of its only Content-Length is the same,
    and all after them, so it means the same. What `read` gives is good until the next one is read.

    Args:
        parse: `parse_request` or `parse_response`.
        limit: bytes that a head may have, without its empty line.
    """

    __slots__ = ("_after", "_before", "_digits", "_head", "_limit", "_parse", "_place", "_repeats")

    _head: Head  # the last one, where there is something in ``_before``

    def __init__(self, parse: Callable[[bytes], Head], limit: int) -> None:
        self._parse: Callable[[bytes], Head] = parse
        self._limit = limit
        self._before = self._digits = self._after = b""  # the bytes of the last head
        self._place = 0  # of the length among its headers
        self._repeats = False

    def read(self, data: bytes) -> tuple[Head, int] | None:
        """The head that ``data`` begins with, and the place of what follows it.

        None while it is not all here. Raises BadHead.
        """
        before, after = self._before, self._after
        if before and data.startswith(before):
            start = len(before)
            if not after:
                return self._head, start
            end = start + len(self._digits)
            if data[end : end + 1] != b"\r":  # there are more of them, or fewer
                end = data.find(b"\r", start, start + _LENGTH_LONGEST + 1)
            if data.startswith(after, end) and (digits := data[start:end]).isdigit():
                head = self._head
                if digits != self._digits:
                    self._digits = digits
                    head.length = int(digits)
                    head.headers = head.headers.with_length(self._place, digits.decode())
                return head, end + len(after)
        return self._read_anew(data)

    def forget(self) -> None:
        """What comes next is like nothing before."""
        self._before = b""

    def _read_anew(self, data: bytes) -> tuple[Head, int] | None:
        end, limit = data.find(END), self._limit
        if end > limit or (end < 0 and len(data) > limit + 3):
            raise BadHead(f"its head is longer than {limit} bytes", 431)
        if end < 0:
            return None
        head = data[: end + 4]
        self._before = b""
        found = self._parse(head)
        if self._repeats and end + _LENGTH_LONGEST <= limit:
            self._remember(found, head)
        self._repeats = True  # what comes once is not worth remembering
        return found, end + 4

    def _remember(self, found: Head, head: bytes) -> None:
        self._head = found
        self._before, self._digits, self._after = _around_length(head)
        self._place = self._before.count(b"\n") - 1


def _around_length(head: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before the digits of a head's length, they, and what stands after them.

    All of it comes before them where there are none.
    """
    start = head.lower().find(_LENGTH_LINE) + len(_LENGTH_LINE)
    end = head.find(b"\r", start)
    digits = head[start:end]
    if start < len(_LENGTH_LINE) or not digits.isdigit():
        return head, b"", b""
    return head[:start], digits, head[end:]


_LENGTH_LINE = b"\ncontent-length: "
_LENGTH_LONGEST = 18


def _bad_line(text: str, version: re.Pattern[str]) -> BadHead:
    found = version.match(text)
    if found is not None and found[1] not in ("1.0", "1.1"):
        return BadHead(f"HTTP/{found[1]} is not spoken here", 505)
    return BadHead("its first line is malformed")


def _fields(text: str, start: int) -> tuple[Headers, dict[str, str]]:
    """The fields from ``start`` to the empty line, and the first value of each by its small name.

    Each match has one line end, so there are as many as line ends only where every line is a field;
    and a line feed that stands alone makes the third count differ.
    """
    pairs = _FIELD.findall(text, start)
    lines = text.count("\n", start)
    if len(pairs) != lines - 1 or text.count("\r\n", start) != lines:
        raise BadHead("a header is malformed")
    if " \r" in text or "\t\r" in text:
        pairs = [(name, value.rstrip(" \t")) for name, value in pairs]
    index = {name.lower(): value for name, value in pairs}
    if len(index) != len(pairs):
        index = _first_values(pairs)
    return Headers(pairs, index), index


def _first_values(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The index where some names come twice. Raises BadHead where they must not."""
    index: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        if key in index and key in _SINGLE:
            raise BadHead(f"more than one {key}")
        index.setdefault(key, value)
    return index


def _origin_form(method: str, target: str, host: str | None) -> str:
    """The path of a target that names a host, which must be the Host header's."""
    if method == "CONNECT":
        raise BadHead("this is no proxy", 501)
    if (method, target) == ("OPTIONS", "*"):
        return target
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        raise BadHead("the target is not a path")
    if absolute[1] != host:
        raise BadHead("the target and the Host header differ")
    path = target[absolute.end() :]
    return path if path.startswith("/") else "/" + path


def _framing(index: dict[str, str], *, old: bool) -> tuple[int | None, bool]:
    """The declared length, if any, and whether the body is chunked."""
    coding, length = index.get("transfer-encoding"), index.get("content-length")
    if coding is None:
        return (None if length is None else _length(length)), False
    if length is not None:
        raise BadHead("both a length and a transfer coding")
    if old:
        raise BadHead("a transfer coding in HTTP/1.0")
    if coding.lower() != "chunked":
        raise BadHead("the only transfer coding spoken here is chunked", 501)
    return None, True


def _length(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= _LENGTH_LONGEST):
        raise BadHead("the Content-Length is not a number")
    return int(value)


def _expects(index: dict[str, str], *, old: bool) -> bool:
    if index["expect"].lower() != "100-continue":
        raise BadHead("the only expectation met here is 100-continue", 417)
    return not old


def _closes(headers: Headers, index: dict[str, str], *, old: bool) -> bool:
    """Whether the connection ends after this message, by what the message says itself."""
    value = index.get("connection")
    if value is None:
        return old
    if len(index) == len(headers) and value in _KEPT:
        return False
    options = {
        option.strip(" \t").lower()
        for line in headers.getall("connection")
        for option in line.split(",")
    }
    return "close" in options or (old and "keep-alive" not in options)
