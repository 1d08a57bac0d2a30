"""Which messages were seen lately. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

WINDOW = 32_768
"""Ids that are remembered: far more than can be under way between a request and its repetition."""


class Window:
    """The last ids that were added, in order."""

    def __init__(self, most: int = WINDOW) -> None:
        self._order: deque[str] = deque()
        self._most = most
        self._ids: set[str] = set()

    def __contains__(self, message: str) -> bool:
        return message in self._ids

    def __iter__(self) -> Iterator[str]:
        return (message for message in self._order if message in self._ids)

    def add(self, messages: Iterable[str]) -> None:
        order, ids = self._order, self._ids
        for message in messages:
            order.append(message)
            ids.add(message)
        while len(order) > self._most:
            ids.discard(order.popleft())

    def discard(self, message: str) -> None:
        """It was not accepted after all."""
        self._ids.discard(message)
