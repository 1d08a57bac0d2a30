"""Prometheus's text format, version 0.0.4: metrics as lines. Pure.

Written here and not by prometheus_client: that takes 105 ms of the event loop's time for 14,000
series, which is what 1,000 agents come to, where this takes 6.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, int | float]
"""Labels as `labels` gives them, and a value."""

Spread = tuple[str, Sequence[int], float]
"""Labels, how many were in each bucket and above the last, and the sum of all."""


def labels(**values: str) -> str:
    """As they stand between the braces."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items())


def counter(name: str, meaning: str, samples: Iterable[Sample]) -> str:
    """``name`` ends in ``_total``."""
    return _family(name, "counter", meaning, samples)


def gauge(name: str, meaning: str, samples: Iterable[Sample]) -> str:
    return _family(name, "gauge", meaning, samples)


def histogram(name: str, meaning: str, edges: Collection[float], spreads: Iterable[Spread]) -> str:
    """``edges`` are the upper bounds of the buckets."""
    lines = [_head(name, "histogram", meaning)]
    bounds = [*(str(float(edge)) for edge in edges), "+Inf"]
    for of, counts, total in spreads:
        below = 0
        for bound, count in zip(bounds, counts, strict=True):
            below += count
            lines.append(f'{name}_bucket{{{of},le="{bound}"}} {below}\n')
        lines.append(f"{name}_sum{{{of}}} {total}\n{name}_count{{{of}}} {below}\n")
    return "".join(lines)


def _family(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> str:
    lines = [f"{name}{{{of}}} {value}\n" for of, value in samples]
    return _head(name, kind, meaning) + "".join(lines)


def _head(name: str, kind: str, meaning: str) -> str:
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"


def _escaped(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return escaped.encode(errors="replace").decode()
