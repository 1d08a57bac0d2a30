"""Heads of messages: httptools parses them, this module refuses what it lets pass.

The parser (llhttp in its strict mode) refuses bare line feeds, folded lines, control characters,
signs and lists in lengths, two lengths, and a length beside a transfer coding. It lets pass, and is
refused here: spaces and versions in the first line that the grammar has not, HTTP/0.9 and other
protocols, control characters in a status line, transfer codings before ``chunked`` or in HTTP/1.0,
and a missing or second Host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from httptools import HttpRequestParser, HttpResponseParser
from httptools.parser.errors import HttpParserError, HttpParserUpgrade

END = b"\r\n\r\n"

_REQUEST_LINE = re.compile(rb"([A-Z][A-Z-]*) ([!\"$-~]+) HTTP/1\.([01])\r\n")
_REQUEST_VERSION = re.compile(rb"[!-~]+ [!-~]+ HTTP/([0-9]\.[0-9])\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?\r\n")
_RESPONSE_VERSION = re.compile(rb"HTTP/([0-9]\.[0-9]) ")
_SLASH = ord("/")
_ABSOLUTE = re.compile(rb"[hH][tT][tT][pP][sS]?://([^/?#]*)")

_WATCHED = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))


class BadHead(Exception):
    """A head that is refused; ``status`` is what a client is told."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class RequestHead:
    """``length`` is the body's, 0 where there is none, None where it is chunked."""

    method: str
    target: str
    pairs: list[tuple[str, str]]
    length: int | None
    old: bool
    keep_alive: bool
    expects: bool


@dataclass(slots=True)
class ResponseHead:
    """``length`` is the body's if declared; ``chunked`` and it never come together."""

    status: int
    pairs: list[tuple[str, str]]
    length: int | None
    chunked: bool
    keep_alive: bool


class _Collector:
    """What httptools calls back."""

    __slots__ = ("complete", "pairs", "watched")

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.watched: dict[bytes, bytes] = {}
        self.complete = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        value = value.strip(b" \t")
        self.pairs.append((str(name, "latin-1"), str(value, "latin-1")))
        name = name.lower()
        if name in _WATCHED:
            self._watch(name, value)

    def _watch(self, name: bytes, value: bytes) -> None:
        known = self.watched.get(name)
        if known is None:
            self.watched[name] = value
        elif name == b"connection":
            self.watched[name] = known + b"," + value
        else:
            raise BadHead(f"more than one {name.decode()}")

    def on_headers_complete(self) -> None:
        self.complete += 1


def parse_request(head: bytes) -> RequestHead:
    """The head of a request, up to and with its empty line. Raises BadHead."""
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise _bad_line(head, _REQUEST_VERSION)
    method, target, old = line[1], line[2], line[3] == b"0"
    found = _Collector()
    _feed(HttpRequestParser(found), found, head)
    watched = found.watched
    if not old and b"host" not in watched:
        raise BadHead("the Host header is missing")
    if target[0] != _SLASH:
        target = _origin_form(method, target, watched.get(b"host"))
    length, chunked = _framing(watched, old=old)
    return RequestHead(
        str(method, "latin-1"),
        str(target, "latin-1"),
        found.pairs,
        None if chunked else length or 0,
        old,
        not _closes(watched, old=old),
        b"expect" in watched and _expects(watched, old=old),
    )


def parse_response(head: bytes) -> ResponseHead:
    """The head of a response, up to and with its empty line. Raises BadHead."""
    line = _STATUS_LINE.match(head)
    if line is None:
        raise _bad_line(head, _RESPONSE_VERSION)
    old = line[1] == b"0"
    found = _Collector()
    _feed(HttpResponseParser(found), found, head)
    length, chunked = _framing(found.watched, old=old)
    keep_alive = not _closes(found.watched, old=old)
    return ResponseHead(int(line[2]), found.pairs, length, chunked, keep_alive)


def _bad_line(head: bytes, version: re.Pattern[bytes]) -> BadHead:
    found = version.match(head)
    if found is not None and found[1] not in (b"1.0", b"1.1"):
        return BadHead(f"HTTP/{found[1].decode()} is not spoken here", 505)
    return BadHead("its first line is malformed")


def _feed(parser: HttpRequestParser | HttpResponseParser, found: _Collector, head: bytes) -> None:
    try:
        parser.feed_data(head)
    except HttpParserUpgrade:
        pass  # the wish for another protocol is not granted, the message is served as it is
    except HttpParserError as cause:
        if isinstance(cause.__context__, BadHead):
            raise cause.__context__ from None
        raise BadHead(str(cause).lower() or "malformed") from cause
    if found.complete != 1:
        raise BadHead("the head is malformed")


def _origin_form(method: bytes, target: bytes, host: bytes | None) -> bytes:
    """The path of a target that names a host, which must be the Host header's."""
    if method == b"CONNECT":
        raise BadHead("this is no proxy", 501)
    if (method, target) == (b"OPTIONS", b"*"):
        return target
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        raise BadHead("the target is not a path")
    if absolute[1] != host:
        raise BadHead("the target and the Host header differ")
    path = target[absolute.end() :]
    return path if path.startswith(b"/") else b"/" + path


def _framing(watched: dict[bytes, bytes], *, old: bool) -> tuple[int | None, bool]:
    """The declared length, if any, and whether the body is chunked."""
    coding, length = watched.get(b"transfer-encoding"), watched.get(b"content-length")
    if coding is None:
        return (None if length is None else _length(length)), False
    if length is not None:
        raise BadHead("both a length and a transfer coding")
    if old:
        raise BadHead("a transfer coding in HTTP/1.0")
    if coding.lower() != b"chunked":
        raise BadHead("the only transfer coding spoken here is chunked", 501)
    return None, True


def _length(value: bytes) -> int:
    if not value.isdigit() or len(value) > 18:
        raise BadHead("the Content-Length is not a number")
    return int(value)


def _expects(watched: dict[bytes, bytes], *, old: bool) -> bool:
    if watched[b"expect"].lower() != b"100-continue":
        raise BadHead("the only expectation met here is 100-continue", 417)
    return not old


def _closes(watched: dict[bytes, bytes], *, old: bool) -> bool:
    """Whether the connection ends after this message, by what the message says itself.

    The parser's own `should_keep_alive` has forgotten it by the time a head without a body is read.
    """
    value = watched.get(b"connection")
    if value is None:
        return old
    options = {option.strip(b" \t").lower() for option in value.split(b",")}
    return b"close" in options or (old and b"keep-alive" not in options)
