"""Whose turn it is among clients of one priority.

The rule is start-time fair queueing with every call charged alike: each client has a service tag
that grows by one with every start, the smallest tag is next, and a client that comes back starts at
the tag that was served last, so it can neither save up turns nor be made to pay for rest. Among n
clients that always wait, each gets every n-th start, however many calls the others have queued.

Only `Turns.charge` knows what a call costs; charging measured cost instead of one turns the rule
into least attained service.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns:
    """The service tags of all clients of one priority."""

    def __init__(self) -> None:
        self._tags: dict[str, float] = {}
        self._reached = 0.0
        self._order = 0

    def join(self, client: str) -> None:
        """``client`` asks: whatever it left unused while it was away is forfeit."""
        self._tags[client] = max(self._tags.get(client, 0.0), self._reached)

    def charge(self, client: str, cost: float = 1.0) -> None:
        """``client`` was served."""
        self._reached = max(self._reached, self._tags[client])
        self._tags[client] += cost

    def tag(self, client: str) -> float:
        """What ``client`` was served so far; it never falls while anybody waits."""
        return self._tags[client]

    def next_order(self) -> int:
        """A growing number, which breaks ties between equal tags in the order of asking."""
        self._order += 1
        return self._order

    def forget(self) -> None:
        """Nobody waits: everyone starts anew, and the names of clients are not kept for ever."""
        self._tags.clear()
        self._reached = 0.0


class FairQueue(Generic[T]):
    """What waits at one priority for one target, by client; within a client first come first."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._items: dict[str, OrderedDict[str, T]] = {}
        # (tag, order, client): the tag is what it was when pushed, so it may be too small, never
        # too large; `head` corrects what surfaces. Each client stands here at most once.
        self._heap: list[tuple[float, int, str]] = []
        self._listed: set[str] = set()

    def push(self, client: str, key: str, item: T, *, front: bool = False) -> None:
        """Adds ``item``; at the ``front`` of its client's own items if asked."""
        items = self._items.setdefault(client, OrderedDict())
        items[key] = item
        items.move_to_end(key, last=not front)
        if client not in self._listed:
            self._listed.add(client)
            heappush(self._heap, (self._turns.tag(client), self._turns.next_order(), client))

    def remove(self, client: str, key: str) -> None:
        """Takes the item out; it must be there."""
        items = self._items[client]
        del items[key]
        if not items:
            del self._items[client]
            self._prune()

    def head(self) -> tuple[float, int, T] | None:
        """The next item with its tag and order, or None when nothing waits here."""
        while self._heap:
            tag, order, client = self._heap[0]
            if client not in self._items:
                heappop(self._heap)
                self._listed.discard(client)
            elif tag < (current := self._turns.tag(client)):
                heapreplace(self._heap, (current, self._turns.next_order(), client))
            else:
                return tag, order, next(iter(self._items[client].values()))
        return None

    def _prune(self) -> None:
        """Keeps the heap within twice the clients that wait, however many come and go."""
        if len(self._heap) > 2 * len(self._items) + 8 or not self._items:
            self._heap = [entry for entry in self._heap if entry[2] in self._items]
            heapify(self._heap)
            self._listed = set(self._items)
