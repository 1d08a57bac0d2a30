"""Sizes and durations, written with their units always.

``512MiB`` is a `Size` in bytes, ``30s`` a `Duration` in seconds. Both are plain numbers at run
time; the types parse in pydantic models and print in the same form.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SIZE_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DIGITS_MAX = 15
_NUMBER_AND_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")

SIZE_PATTERN = r"^\d+(\.\d+)?\s*(B|KiB|MiB|GiB|TiB)$"
DURATION_PATTERN = r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$"


def _parse(text: object, units: dict[str, float] | dict[str, int], example: str) -> float:
    match = _NUMBER_AND_UNIT.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in units or len(match[1]) > _DIGITS_MAX:
        raise ValueError(f"expected a number with one of the units {', '.join(units)}: {example}")
    return float(match[1]) * units[match[2]]


def parse_size(text: object) -> int:
    """Bytes from ``512MiB``. Raises ValueError, also for a number without a unit."""
    return int(_parse(text, _SIZE_UNITS, "512MiB"))


def parse_duration(text: object) -> float:
    """Seconds from ``30s``, ``1.5m``, ``250ms``. Raises ValueError, also without a unit."""
    return _parse(text, _DURATION_UNITS, "30s")


def format_size(size: float) -> str:
    """The shortest text with at most one decimal: ``1.5GiB``, ``512MiB``, ``17B``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size >= _SIZE_UNITS[unit]:
            return f"{_short(size / _SIZE_UNITS[unit])}{unit}"
    return f"{_short(size)}B"


def format_duration(seconds: float) -> str:
    """The shortest text with at most one decimal: ``1.5h``, ``30s``, ``250ms``."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _DURATION_UNITS[unit]:
            return f"{_short(seconds / _DURATION_UNITS[unit])}{unit}"
    return f"{_short(seconds * 1000)}ms"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(lambda size: f"{size}B"),
    WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN, "examples": ["512MiB"]}),
]
"""Bytes; in files a text with its unit."""

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda seconds: f"{round(seconds * 1000)}ms"),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s"]}),
]
"""Seconds; in files a text with its unit."""
