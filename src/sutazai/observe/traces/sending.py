"""When traces are sent, tried again and given up. Pure: time and chance are passed in.

The database of tasks is the queue: what was not taken is read again later, so nothing waits in
memory. How far it was read is a `Mark`. What is older than `KEEP` is given up, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

EVERY = 5.0
"""Seconds between two looks at what has ended."""
SETTLE = 5.0
"""Seconds after a task's end until all is recorded of it, its calls to models too."""
KEEP = 900.0
"""Seconds for which a trace is tried."""
BATCH = 100
"""Most tasks of one request."""
SPANS = 5_000
"""Spans of one request, but for those of its last task: some 4 MB."""
FIRST, LONGEST = 1.0, 60.0
"""Seconds until the first and until any further try."""

RETRYABLE = (429, 502, 503, 504)
"""What a collector answers that may take it later, by OTLP's specification. All else is final."""


@dataclass(frozen=True, order=True)
class Mark:
    """The task that was read last: those that ended later, or then with a greater id, follow."""

    ended: float
    id: str = ""


def next_try(failures: int, chance: float, asked: float | None = None) -> float:
    """Seconds until the next try after so many failures in a row.

    Args:
        chance: from 0 to 1, so that not all come back at once.
        asked: seconds that the collector asks for.
    """
    if asked is not None:
        return min(max(asked, 0.0), KEEP)
    return min(LONGEST, FIRST * 2.0 ** min(failures - 1, 16)) * (0.5 + chance / 2)
