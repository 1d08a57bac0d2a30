"""Which failures of a call are the backend's fault, and of which kind. Pure."""

from __future__ import annotations

import re
from enum import StrEnum

from sutazai.fleet.errors import BadPeer, ConnectFailed, DeadlineExceeded, PeerClosed, SutazaiError
from sutazai.gateway.failures import BackendFailed, Failure

_OVERLOADED = (429, 503)
_TIMED_OUT = (408, 504)

# What llama.cpp, Ollama and others say with a status of 500 of a prompt that is too long.
_TOO_LONG = re.compile(
    r"too (?:large|long) to process"
    r"|exceed\w*\s(?:\w+\s){0,5}context"
    r"|context (?:size|length|window)\b.{0,40}\bexceeded"
    r"|maximum context length"
    r"|longer than .{0,40}context",
    re.IGNORECASE,
)


class Fault(StrEnum):
    """What a backend has done wrong."""

    UNREACHABLE = "unreachable"  # no connection, or it closed one that it should have answered on
    OVERLOADED = "overloaded"
    TIMED_OUT = "timed out"
    FAILED = "failed"


def fault_of(error: SutazaiError) -> Fault | None:
    """The backend's fault in ``error``; None where it is the client's, or our own."""
    if isinstance(error, ConnectFailed | PeerClosed):
        return Fault.UNREACHABLE
    if isinstance(error, DeadlineExceeded):
        return Fault.TIMED_OUT
    if isinstance(error, BackendFailed):
        return _told(error.failure)
    return Fault.FAILED if isinstance(error, BadPeer) else None


def _told(failure: Failure) -> Fault | None:
    """The fault in an error that the backend itself has told, by status or within a stream."""
    if failure.status in _OVERLOADED:
        return Fault.OVERLOADED
    if failure.status in _TIMED_OUT:
        return Fault.TIMED_OUT
    if failure.status < 500 or _TOO_LONG.search(failure.message):
        return None
    return Fault.FAILED
