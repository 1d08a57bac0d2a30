"""What an agent's own metrics may be: the rules that its instances and their host both hold. Pure.

Instances hold this, so it imports next to nothing.
"""

from __future__ import annotations

import re

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

SERIES_MAX = 20
"""Most series of one agent."""

_NAME = re.compile("[a-z][a-z0-9_]{0,59}")
_TAKEN = ("_total", "_bucket", "_sum", "_count")
"""Endings that Prometheus gives by itself."""


def is_name(name: str) -> bool:
    """Whether a metric may be called so."""
    return _NAME.fullmatch(name) is not None and not name.endswith(_TAKEN)


def series_of(edges: int) -> int:
    """How many series a metric has, with so many edges of buckets: 0 for one that is none."""
    return edges + 3 if edges else 1
