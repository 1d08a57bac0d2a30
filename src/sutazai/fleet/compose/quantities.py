"""Sizes, durations and cores as Compose writes them, and as a fleet file does."""

from __future__ import annotations

import math
import re

_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*(?:([kmgtp])i?)?b?\s*", re.IGNORECASE | re.ASCII)
_SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4, "p": 1024**5}
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h|d|w)", re.ASCII)
_DURATIONS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3,
    "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0,
}  # fmt: skip
_WRITTEN = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))
CORES_MAX = 1024


def parse_bytes(value: object) -> int:
    """Bytes from ``512m``, ``1.5g``, ``2GiB`` or a number. Raises ValueError."""
    match = _SIZE.fullmatch(str(value)) if _is_text_or_number(value) else None
    if match is None:
        raise ValueError("not a size as 512m or 2g")
    return int(float(match[1]) * _SIZES[(match[2] or "").lower()])


def parse_seconds(value: object) -> float:
    """Seconds from ``30s``, ``1m30s``, ``500ms``. Raises ValueError, also without a unit."""
    text = value.strip() if isinstance(value, str) else ""
    found = list(_DURATION.finditer(text))
    if not found or "".join(match[0] for match in found) != text:
        raise ValueError("not a duration as 30s or 1m30s")
    return sum(float(match[1]) * _DURATIONS[match[2]] for match in found)


def parse_cores(value: object) -> float:
    """Cores from ``0.5`` or ``"2"``. Raises ValueError for none and for too many."""
    try:
        cores = float(value) if _is_text_or_number(value) else math.nan  # type: ignore[arg-type]
    except ValueError:
        cores = math.nan
    if not 0 < cores <= CORES_MAX:
        raise ValueError(f"not a number of cores above 0, at most {CORES_MAX}")
    return cores


def parse_count(value: object) -> int:
    """A whole number from ``3`` or ``"3"``. Raises ValueError."""
    text = str(value) if _is_text_or_number(value) else ""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError("not a whole number")
    return int(text)


def size_text(size: int) -> str:
    """Exactly ``size`` bytes, in the largest unit that has no fraction."""
    for unit, factor in _WRITTEN:
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def duration_text(seconds: float) -> str:
    """``seconds`` to the millisecond: ``30s``, ``1500ms``."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def _is_text_or_number(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)
