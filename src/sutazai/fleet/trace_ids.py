"""The ids of tasks' traces, as W3C Trace Context and OpenTelemetry write them. Pure.

A task's trace has an id that follows from the task's own, so that logs, the trace that is shown
and the one that is sent elsewhere agree without a word between processes. Instances hold this, so
it imports nothing: `hashlib` alone costs each of them some 25 KiB.
"""

from __future__ import annotations

TRACEPARENT = "traceparent"
"""The header by which a caller says which trace and span its call belongs to."""

_OFFSET, _PRIME = 0x6C62272E07BB014262B821756295C58D, 2**88 + 0x13B
_MIX = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""The golden ratio's first 128 bits."""


def trace_id(task: str) -> str:
    """The trace of a task, 32 hexadecimal digits: FNV-1a of 128 bits, whose digits are then mixed,
    for collectors choose traces by some of them alone."""
    found = _OFFSET
    for byte in task.encode(errors="replace"):
        found = (found ^ byte) * _PRIME % 2**128
    for _ in range(2):
        found = (found ^ found >> 64) * _MIX % 2**128
    return f"{found ^ found >> 64:032x}"


def trace_of_parent(traceparent: str | None) -> str | None:
    """The trace's id in such a header; None where there is none or it cannot be understood."""
    parts = (traceparent or "").split("-")
    known = [len(part) for part in parts] == [2, 32, 16, 2] and parts[0] == "00"
    return parts[1] if known and all(map(_is_id, parts[1:3])) else None


def _is_id(text: str) -> bool:
    """Hexadecimal digits in small letters, not all of them 0."""
    return not text.strip("0123456789abcdef") and bool(text.strip("0"))
