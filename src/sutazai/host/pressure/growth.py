"""How fast each instance grows. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

WINDOW = 30.0
"""Seconds over which growth is told."""


class Growth:
    """Remembers what instances held in the last 30 s."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def note(self, now: float, memory: Mapping[str, int]) -> None:
        """Takes in what each instance holds, in bytes; those that are not named are forgotten."""
        for name in self._seen.keys() - memory.keys():
            del self._seen[name]
        for name, held in memory.items():
            past = self._seen.setdefault(name, deque())
            past.append((now, held))
            while past[0][0] < now - WINDOW:
                past.popleft()

    def of(self, name: str) -> float:
        """Bytes a second between the first and the last look; 0 where there was one at most."""
        past = self._seen.get(name)
        if not past or past[-1][0] <= past[0][0]:
            return 0.0
        (began, first), (ended, last) = past[0], past[-1]
        return (last - first) / (ended - began)
