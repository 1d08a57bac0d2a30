"""What was measured: one number of one series at one time. Pure."""

from __future__ import annotations

from dataclasses import dataclass

Labels = tuple[tuple[str, str], ...]
"""Names and values of a series' labels, ordered by name."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a series; ``name`` and ``labels`` as in Prometheus' text format."""

    name: str
    labels: Labels
    value: float
