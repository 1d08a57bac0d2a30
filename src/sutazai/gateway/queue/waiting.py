"""What waits, in every order that is needed: by turn, by age, by prefix, by deadline.

Every operation costs O(log n) at most, amortised.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple

from sutazai.gateway.queue.entries import LEVELS, Entry
from sutazai.gateway.queue.fairness import Account

AGED_AFTER = 30.0
"""Seconds of waiting from which an entry counts as aged."""

NO_BACKENDS: frozenset[str] = frozenset()


class Want(NamedTuple):
    """What decides which backends an entry can start on, and whether it may start at all.

    ``without`` are backends that have failed it.
    """

    target: str
    agent: bool
    without: frozenset[str]


class Ticket:
    """An entry from its submission to its end, whether it waits or runs.

    Who makes one sets ``entry``, ``without`` and ``backend``; there is no ``__init__``, which would
    cost each call as much as all its fields do. The others are the scheduler's.
    Always: its client's ``account`` at its ``level``; the time at which it ``arrived``; what must
    not serve it (``without``).
    While it waits: the ``line`` that it stands in; its ``number`` in the order of its client's
    entries, its first one having the least.
    While it runs: its ``backend`` (else empty), the ``index`` of its slot there, its ``model``,
    since when (``started``), how many seconds after it arrived (``waited``), and whether its
    client has ``left``. What is not named for a state is not to be looked at in it.
    """

    __slots__ = (
        "account", "arrived", "backend", "entry", "index", "left", "level", "line", "model",
        "number", "started", "waited", "without",
    )  # fmt: skip

    account: Account
    level: int
    arrived: float
    line: Line
    number: int
    index: int
    model: str
    started: float
    waited: float
    left: bool

    entry: Entry
    without: frozenset[str]
    backend: str


class FairQueue:
    """What waits at one priority for one want, by client; within a client first come first."""

    __slots__ = ("_by_age", "_heap", "_items", "_listed", "_prefixes", "cost")

    def __init__(self) -> None:
        self.cost = 0.0
        self._by_age: OrderedDict[str, Ticket] = OrderedDict()
        self._items: dict[Account, OrderedDict[str, Ticket]] = {}
        # (tag, order, account) as they were when listed. An account whose tag has grown since is
        # corrected when it surfaces; one whose tag fell is listed anew at once, and `_listed` tells
        # which of its listings counts.
        self._heap: list[tuple[float, int, Account]] = []
        self._listed: dict[Account, int] = {}
        self._prefixes: dict[str, OrderedDict[str, Ticket]] = {}

    def __len__(self) -> int:
        return len(self._by_age)

    def push(self, waiting: Ticket, *, front: bool = False) -> None:
        """Adds an entry; at the ``front`` where it was here before and comes back."""
        account, entry = waiting.account, waiting.entry
        items = self._items.get(account)
        if items is None:
            items = self._items[account] = OrderedDict()
            account.places[self] = None
            self.relist(account)
        items[entry.id] = self._by_age[entry.id] = waiting
        if front:
            items.move_to_end(entry.id, last=False)
            self._by_age.move_to_end(entry.id, last=False)
        if entry.prefix:
            self._prefixes.setdefault(entry.prefix, OrderedDict())[entry.id] = waiting
        self.cost += entry.cost

    def remove(self, waiting: Ticket) -> None:
        """Takes the entry out; it must be there."""
        account, entry = waiting.account, waiting.entry
        items = self._items[account]
        del items[entry.id], self._by_age[entry.id]
        if not items:
            del self._items[account], self._listed[account], account.places[self]
            self._prune()
        if entry.prefix:
            alike = self._prefixes[entry.prefix]
            del alike[entry.id]
            if not alike:
                del self._prefixes[entry.prefix]
        self.cost = self.cost - entry.cost if self._by_age else 0.0

    def head(self) -> Ticket | None:
        """Whose turn it is, None when nothing waits here."""
        heap, listed = self._heap, self._listed
        while heap:
            _, order, account = heap[0]
            if listed.get(account) != order:
                heappop(heap)
            elif order != account.order:
                listed[account] = account.order
                heapreplace(heap, (account.tag, account.order, account))
            else:
                return next(iter(self._items[account].values()))
        return None

    def oldest(self) -> Ticket | None:
        """Who waits longest, None when nothing waits here."""
        return next(iter(self._by_age.values()), None)

    def ids(self) -> tuple[str, ...]:
        return tuple(self._by_age)

    def alike(self, prefix: str) -> Iterable[Ticket]:
        """Those that begin with ``prefix``, first come first."""
        found = self._prefixes.get(prefix)
        return () if found is None else found.values()

    def accounts(self) -> Iterator[tuple[Account, int]]:
        """Who waits here, with how many entries."""
        for account, items in self._items.items():
            yield account, len(items)

    def relist(self, account: Account) -> None:
        self._listed[account] = account.order
        heappush(self._heap, (account.tag, account.order, account))
        self._prune()

    def rebuild(self) -> None:
        self._heap = [(account.tag, account.order, account) for account in self._items]
        self._listed = {account: account.order for account in self._items}
        heapify(self._heap)

    def _prune(self) -> None:
        """Keeps the heap within twice the clients that wait, however many come and go."""
        if len(self._heap) > 2 * len(self._items) + 8:
            self.rebuild()


class Line:
    """Everything that waits for one want. ``unserved`` is since when nothing serves it."""

    __slots__ = ("levels", "unserved", "want")

    def __init__(self, want: Want, unserved: float | None = None) -> None:
        self.want = want
        self.unserved = unserved
        self.levels = tuple(FairQueue() for _ in LEVELS)

    def __bool__(self) -> bool:
        return any(self.levels)

    def oldest_arrival(self) -> float:
        """When the one arrived that waits longest; the line must not be empty."""
        return min(one.arrived for queue in self.levels if (one := queue.oldest()) is not None)

    def ids(self) -> tuple[str, ...]:
        return tuple(key for queue in self.levels for key in queue.ids())


class Deadlines:
    """Which of the waiting runs out of time first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []

    def add(self, entry: Entry) -> None:
        heappush(self._heap, (entry.deadline, entry.id))

    def first(self, waiting: dict[str, Ticket]) -> tuple[float, str] | None:
        """The earliest deadline among ``waiting`` with its entry's id."""
        while self._heap:
            deadline, key = self._heap[0]
            # An id may be used again once its entry has ended; its old deadline counts no more.
            if (found := waiting.get(key)) is not None and found.entry.deadline == deadline:
                return deadline, key
            heappop(self._heap)
        return None

    def tidy(self, waiting: dict[str, Ticket]) -> None:
        """Drops what no longer waits, once that is more than what does."""
        if len(self._heap) > 2 * len(waiting) + 64:
            self._heap = [(each.entry.deadline, each.entry.id) for each in waiting.values()]
            heapify(self._heap)
