"""What keys may use: tokens by the minute and the day, calls by the minute, calls at once. Pure.

A call is admitted while there is anything left, and an estimate of its tokens (what calls of its
key took lately, where nobody says better) is held against the budget until it ends. So in any
minute, and on any day, the tokens of the calls that ended are at most

    limit + the largest call's tokens + what the calls in flight took beyond their estimates

however many calls come at once. Calls by the minute and calls at once are never above their limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sutazai.fleet.errors import QueueFull
from sutazai.fleet.serving import DAY, Budget
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.callers.windows import Window

SOON = 1
"""Seconds after which to try again where it depends on calls in flight."""

FIRST_GUESS = 500
"""Tokens that a key's first calls are taken to need."""

MEAN_SHARE = 0.2
"""Weight of the latest call in the mean of what a key's calls take."""

_WORDS = {
    "tokens_per_minute": "tokens a minute",
    "tokens_per_day": "tokens a day",
    "requests_per_minute": "calls a minute",
    "concurrency": "calls at once",
}


class BudgetSpent(QueueFull):
    """The key has used what it may for now; ``data`` says which budget, its limit, and in how many
    seconds there is something left (``retry_after``)."""


class Account:
    """What one key has used. Days are counted since 1970, in UTC."""

    __slots__ = ("calls", "day", "mean", "minute", "reserved", "running", "today")

    def __init__(self, day: int = 0, today: int = 0) -> None:
        self.calls = Window()
        self.minute = Window()
        self.reserved = 0
        self.running = 0
        self.mean = float(FIRST_GUESS)
        self.day = day
        self.today = today

    def tokens_today(self, now: float) -> int:
        day = int(now // DAY)
        if day != self.day:
            self.day, self.today = day, 0
        return self.today

    def check(self, name: str, budget: Budget, now: float) -> None:
        """Raises BudgetSpent for the budget that keeps the key waiting longest."""
        limit = budget.tokens_per_day
        if limit is not None and (used := self.tokens_today(now)) + self.reserved >= limit:
            wait = DAY - now % DAY if used >= limit else 0.0
            raise _spent(name, "tokens_per_day", limit, wait)
        limit = budget.tokens_per_minute
        if limit is not None and self.minute.sum(now) + self.reserved >= limit:
            raise _spent(name, "tokens_per_minute", limit, self.minute.below(limit, now))
        limit = budget.requests_per_minute
        if limit is not None and self.calls.sum(now) >= limit:
            raise _spent(name, "requests_per_minute", limit, self.calls.below(limit, now))
        limit = budget.concurrency
        if limit is not None and self.running >= limit:
            raise _spent(name, "concurrency", limit, 0.0)


class Hold:
    """A call's place within its key's budget. Whoever has one ends it; a second time does nothing.

    Args:
        account: of its key; None for a key without bounds.
        estimate: tokens held until the end.
        changed: called where tokens were added to a day.
    """

    __slots__ = ("_account", "_changed", "_estimate")

    def __init__(self, account: Account | None, estimate: int, changed: Callable[[], None]) -> None:
        self._account = account
        self._estimate = estimate
        self._changed = changed

    def end(self, tokens: int, now: float) -> None:
        """The call ended and took ``tokens``, prompt and answer together."""
        account, self._account = self._account, None
        if account is None:
            return
        account.running -= 1
        account.reserved -= self._estimate
        if tokens > 0:
            account.mean += (tokens - account.mean) * MEAN_SHARE
            account.minute.add(now, tokens)
            account.today = account.tokens_today(now) + tokens
            self._changed()


def _ignore() -> None:
    """Nobody wants to know."""


UNBOUND = Hold(None, 0, _ignore)
"""The hold of every call without a budget."""


class Budgets:
    """The accounts of all keys that have a budget. ``now`` is in seconds since 1970.

    Args:
        changed: called whenever `dump` gives something else.
    """

    def __init__(self, changed: Callable[[], None] = _ignore) -> None:
        self._changed = changed
        self._accounts: dict[str, Account] = {}

    def admit(self, caller: Caller, now: float, estimate: int | None = None) -> Hold:
        """A place for a call that takes about ``estimate`` tokens. Raises BudgetSpent."""
        budget = caller.budget
        if budget is None:
            return UNBOUND
        account = self._account(caller.name)
        account.check(caller.name, budget, now)
        held = max(int(account.mean) if estimate is None else estimate, 1)
        account.calls.add(now)
        account.running += 1
        account.reserved += held
        return Hold(account, held, self._changed)

    def account(self, name: str) -> Account | None:
        """What the key of this name has used, None where it has no budget or no call yet."""
        return self._accounts.get(name)

    def keep(self, names: Collection[str]) -> None:
        """Forgets the accounts of all other keys; calls in flight end as they began."""
        self._accounts = {
            name: account for name, account in self._accounts.items() if name in names
        }

    def dump(self) -> dict[str, dict[str, int]]:
        """What must survive a restart: the tokens of the day, by name."""
        return {
            name: {"day": account.day, "tokens": account.today}
            for name, account in self._accounts.items()
            if account.today
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Goes on from what was dumped; what has another form counts as nothing."""
        for name, entry in dumped.items():
            if isinstance(entry, dict):
                day, tokens = entry.get("day"), entry.get("tokens")
                if isinstance(day, int) and isinstance(tokens, int):
                    self._accounts[name] = Account(day, max(tokens, 0))

    def _account(self, name: str) -> Account:
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = Account()
        return account


def _spent(name: str, budget: str, limit: int, wait: float) -> BudgetSpent:
    retry_after = max(math.ceil(wait), SOON)
    return BudgetSpent(
        f"the budget of {name} is spent: {limit} {_WORDS[budget]}",
        hint=f"there is some again in {retry_after} s; the fleet file has its `budget`",
        budget=budget,
        limit=limit,
        retry_after=retry_after,
    )
