"""How much each client has waiting at one priority, and who has most. Every operation is O(1)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator

from sutazai.gateway.queue.fairness import Account
from sutazai.gateway.queue.waiting import Ticket


class Crowd:
    """All that waits at one priority, by client.

    ``changes`` counts what came and went, so that estimates know how old they are.
    """

    __slots__ = ("_by_count", "_entries", "_most", "changes", "count", "size")

    def __init__(self) -> None:
        self.count = 0
        self.size = 0
        self.changes = 0
        self._entries: dict[Account, OrderedDict[str, Ticket]] = {}
        self._by_count: dict[int, dict[Account, None]] = {}
        self._most = 0

    @property
    def clients(self) -> int:
        return len(self._entries)

    def add(self, waiting: Ticket, *, front: bool = False) -> None:
        """Adds an entry and numbers it; at the ``front`` of its client's own if asked."""
        account, key = waiting.account, waiting.entry.id
        entries = self._entries.get(account)
        if entries is None:
            entries = self._entries[account] = OrderedDict()
            waiting.number = 0
        elif front:
            waiting.number = next(iter(entries.values())).number - 1
        else:
            waiting.number = next(reversed(entries.values())).number + 1
        entries[key] = waiting
        if front:
            entries.move_to_end(key, last=False)
        account.waiting += 1
        self._count(account, account.waiting - 1, waiting.entry.size, 1)
        self._most = max(self._most, account.waiting)

    def remove(self, waiting: Ticket) -> None:
        account = waiting.account
        entries = self._entries[account]
        del entries[waiting.entry.id]
        if not entries:
            del self._entries[account]
        account.waiting -= 1
        self._count(account, account.waiting + 1, -waiting.entry.size, -1)
        if self._most not in self._by_count:
            self._most -= 1

    def largest(self) -> Account | None:
        """The client with most entries; of equals, the one that has had so many longest."""
        return next(iter(self._by_count[self._most])) if self._most else None

    def newest(self, account: Account) -> Ticket:
        """The last of the client's entries; it must have one."""
        return next(reversed(self._entries[account].values()))

    def before(self, waiting: Ticket) -> int:
        """How many of its client's entries come before one that waits, or a few more: those that
        left from between them are counted, too."""
        first = next(iter(self._entries[waiting.account].values()))
        return min(waiting.number - first.number, waiting.account.waiting - 1)

    def by_client(self) -> Iterator[tuple[Account, Collection[Ticket]]]:
        """Each client with its entries in their order."""
        for account, entries in self._entries.items():
            yield account, entries.values()

    def _count(self, account: Account, before: int, size: int, step: int) -> None:
        self.changes += 1
        self.count += step
        self.size += size
        if before:
            alike = self._by_count[before]
            del alike[account]
            if not alike:
                del self._by_count[before]
        if account.waiting:
            self._by_count.setdefault(account.waiting, {})[account] = None
