"""Whose turn it is among clients of one priority: who attained least service of late.

The rule is that of the Virtual Token Counter (Sheng et al., Fairness in Serving Large Language
Models, OSDI 2024), with time on a slot as the service: every client has an account, the smallest is
next, an entry is charged its expected cost at its start and settled to what it took at its end.
Whoever joins is lifted to the least of those that wait (or, where nobody does, run) for the same
backends, so that nobody saves up turns. Among clients that always wait, two accounts are never
further apart than what can run and be out of turn at once, however many calls one of them queues.

Service fades by half in `HALF_LIFE`. Instead of all accounts falling all the time, what is added
grows (forward decay, Cormode et al., ICDE 2009), which leaves their order as it is: a charge at
time t weighs ``2 ** (t / HALF_LIFE)``. All are scaled back long before numbers get too large.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp2
from typing import Protocol

HALF_LIFE = 300.0
"""Seconds after which service counts half."""

ACCOUNTS_KEPT = 10_000
"""Clients whose service is remembered while they ask for nothing; the least served go first."""

_EXPONENT_MAX = 512.0


class Place(Protocol):
    """A queue in which accounts stand in the order of their service."""

    def relist(self, account: Account) -> None:
        """``account`` may stand too far behind."""

    def rebuild(self) -> None:
        """All accounts have changed."""


class Account:
    """What one client attained at one priority.

    ``order`` is another, larger number each time a waiting client's ``tag`` changes, and when it
    begins to wait: of two with equal tags the one that has it longer is first. ``places`` are the
    queues in which the client waits.
    """

    __slots__ = ("client", "order", "places", "running", "tag", "waiting")

    def __init__(self, client: str) -> None:
        self.client = client
        self.tag = 0.0
        self.order = 0
        self.waiting = 0
        self.running = 0
        self.places: dict[Place, None] = {}


class _Accounts(dict[str, Account]):
    """Accounts by their clients; whoever has none gets one."""

    def __init__(self) -> None:
        super().__init__()
        self._most = ACCOUNTS_KEPT

    def __missing__(self, client: str) -> Account:
        self._forget_some()
        account = self[client] = Account(client)
        return account

    def _forget_some(self) -> None:
        """Keeps the accounts within twice those in use and `ACCOUNTS_KEPT`, O(1) amortised."""
        if len(self) < self._most:
            return
        idle = [each for each in self.values() if not (each.waiting or each.running)]
        idle.sort(key=lambda account: account.tag)
        for account in idle[: max(len(idle) - ACCOUNTS_KEPT // 2, 0)]:
            del self[account.client]
        self._most = max(ACCOUNTS_KEPT, 2 * len(self))


class Turns:
    """The accounts of all clients of one priority."""

    def __init__(self) -> None:
        self._accounts = _Accounts()
        self.account: Callable[[str], Account] = self._accounts.__getitem__
        """The client's account, a new one where it has none."""
        self._base = 0.0  # charges at this time weigh one
        self._order = 0

    def join(self, account: Account) -> None:
        """A client has to wait: of those with equal tags it is the last, if it did not already."""
        if not account.waiting:
            account.order = self._order = self._order + 1

    def charge(self, now: float, account: Account, cost: float) -> None:
        """An entry starts that is expected to take ``cost`` seconds."""
        weight = self.weight(now)  # first, for it may scale all tags back
        account.tag += cost * weight
        account.order = self._order = self._order + 1

    def settle(self, account: Account, charged: float, at: float, cost: float) -> None:
        """An entry that was ``charged`` at a time took ``cost`` seconds."""
        change = (cost - charged) * self.weight(at)
        if not change:
            return
        tag = account.tag + change
        account.tag = tag if tag > 0.0 else 0.0
        account.order = self._order = self._order + 1
        if change < 0:
            for place in account.places:
                place.relist(account)

    def weight(self, time: float) -> float:
        """What a second of service at ``time`` adds to a tag."""
        halvings = (time - self._base) / HALF_LIFE
        if halvings > _EXPONENT_MAX:
            self._scale_back(time, halvings)
            return 1.0
        return exp2(halvings)

    def __len__(self) -> int:
        return len(self._accounts)

    def _scale_back(self, time: float, halvings: float) -> None:
        factor = float(2.0**-halvings)
        self._base = time
        for account in self._accounts.values():
            account.tag *= factor
        for place in {place: None for each in self._accounts.values() for place in each.places}:
            place.rebuild()
