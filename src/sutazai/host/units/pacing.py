"""How fast a whole host starts again what ends. Pure: the time comes in.

Each unit's back-off knows its own past only. A thousand units that crash would still be started
dozens of times a second, and the host, and with it those that work, would do nothing else.
"""

from __future__ import annotations

RATE = 8.0
"""Restarts a second that go on for ever."""
BURST = 20
"""Restarts that are not held at all after a quiet time."""


class Pace:
    """Gives each restart its time."""

    def __init__(self) -> None:
        self._next = float("-inf")

    def start_at(self, due: float, *, now: float) -> float:
        """When a restart that is due at ``due`` may happen; both on one monotonic clock."""
        at = max(due, self._next - BURST / RATE)
        self._next = max(self._next, now) + 1 / RATE
        return at
