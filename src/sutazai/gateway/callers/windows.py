"""How much was counted in the last minute. Pure."""

from __future__ import annotations

from collections import deque

SPAN = 60
"""Seconds."""


class Window:
    """The sum of what was counted in the last `SPAN` seconds.

    Counts are gathered by the second, and a second leaves as a whole, so what is counted stays for
    `SPAN` seconds at least and one more at most: no span of a minute ever holds more than was
    allowed. Where the clock goes back over a second, what was counted is forgotten.
    """

    __slots__ = ("_seconds", "_sum")

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()  # (second, how much), in order of time
        self._sum = 0

    def add(self, now: float, amount: int = 1) -> None:
        """Counts ``amount`` at ``now``, in seconds."""
        second = int(now)
        self._leave(second)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds.append((second, self._seconds.pop()[1] + amount))
        else:
            self._seconds.append((second, amount))
        self._sum += amount

    def sum(self, now: float) -> int:
        """What was counted in the last minute."""
        self._leave(int(now))
        return self._sum

    def below(self, limit: int, now: float) -> float:
        """Seconds until the sum is below ``limit``, if nothing more is counted."""
        left, wait = self.sum(now), 0.0
        for second, amount in self._seconds:
            if left < limit:
                break
            left -= amount
            wait = second + SPAN + 1 - now
        return wait

    def empty_in(self, now: float) -> float:
        """Seconds until nothing is left of what was counted."""
        self._leave(int(now))
        return self._seconds[-1][0] + SPAN + 1 - now if self._seconds else 0.0

    def _leave(self, second: int) -> None:
        seconds = self._seconds
        if seconds and seconds[-1][0] > second:
            seconds.clear()
            self._sum = 0
        while seconds and seconds[0][0] < second - SPAN:
            self._sum -= seconds.popleft()[1]
