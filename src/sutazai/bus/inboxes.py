"""All inboxes: bounds, delivery in order, what is tried again, what expires. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from sutazai.bus.inbox import Held, Inbox
from sutazai.bus.message import Bounds, Letter, Message, Reason
from sutazai.fleet.errors import QueueFull

REST_FIRST, REST_MOST = 1.0, 60.0
"""Seconds until what failed is tried again: doubled each time, up to the latter."""

RETRY_MOST = 60
"""Seconds; the longest time that who meets a full inbox is told to wait."""

SLACK = 4096
"""Settled messages that are still on the list of what expires, before it is cleared of them."""


class Fate(Enum):
    """What became of one message of a delivery."""

    TAKEN = "taken"
    FAILED = "failed"
    """Its handler failed: it is tried again, a bounded number of times."""
    REFUSED = "refused"
    """The agent will not have it: it is not tried again."""
    LEFT = "left"
    """It was not looked at, which does not count as a try."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``error`` in words where there is one; ``rest`` is how many seconds to wait at least."""

    fate: Fate
    error: str = ""
    rest: float = 0.0


TAKEN = Outcome(Fate.TAKEN)


@dataclass(frozen=True, slots=True)
class Depth:
    """How full an inbox is: messages, bytes, and the seconds that one message takes."""

    count: int
    size: int
    pace: float


class Inboxes:
    """The inboxes of all agents."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.total = 0
        self._inboxes: dict[str, Inbox] = {}
        self._held: dict[str, Held] = {}
        self._expiries: list[tuple[float, int, str]] = []
        self._rests: list[tuple[float, str]] = []
        self._number = 0
        self._reserved = 0

    def __contains__(self, message: str) -> bool:
        return message in self._held

    def __iter__(self) -> Iterator[Message]:
        """Everything that is not settled, oldest first."""
        return (held.message for held in self._held.values())

    def reserve(self, message: Message) -> None:
        """Room for a message that is about to come by `put`, or not, by `withdraw`.

        Raises QueueFull, with how long it may take until there is room.
        """
        inbox = self._inbox(message.to)
        bounds, size = self.bounds, message.size
        full = inbox.count + inbox.reserved >= bounds.count or inbox.size + size > bounds.size
        if full or self.total + self._reserved + size > bounds.total:
            raise _full(message.to, inbox, bounds)
        inbox.reserved += 1
        self._reserved += size

    def withdraw(self, message: Message) -> None:
        """What was reserved does not come."""
        self._inbox(message.to).reserved -= 1
        self._reserved -= message.size
        self._tidy(message.to)

    def put(self, message: Message, *, reserved: bool = False) -> None:
        """It waits for its delivery from now on. What is in an inbox already stays as it is."""
        inbox, size = self._inbox(message.to), message.size
        if reserved:
            inbox.reserved -= 1
            self._reserved -= size
        if message.id in self._held:
            return
        self._number += 1
        held = self._held[message.id] = Held(message, self._number, size)
        inbox.put(held)
        self.total += size
        self._expire_later(message)

    def take(self, receiver: str, now: float) -> list[Message]:
        """The next delivery for an agent. Each message of it is to be settled."""
        inbox = self._inboxes.get(receiver)
        return [] if inbox is None else [held.message for held in inbox.take(now)]

    def tries(self, message: str) -> int:
        """How often it was delivered in vain."""
        held = self._held.get(message)
        return 0 if held is None else held.tries

    def settle(self, message: Message, outcome: Outcome, now: float) -> Letter | bool:
        """What comes of it: a dead letter, or whether it is gone from its inbox."""
        held = self._held.get(message.id)
        if held is None:
            return False  # it was given up while it was out
        if outcome.fate is Fate.TAKEN or (message.asked and outcome.fate is not Fate.LEFT):
            self._remove(held, now)
            return True
        if message.expires <= now:
            return self.give_up(message, Reason.EXPIRED, now, outcome.error)
        if outcome.fate is Fate.LEFT:
            self._put_back(held, now + outcome.rest)
            return False
        held.tries += 1
        if outcome.fate is Fate.REFUSED or held.tries >= self.bounds.tries:
            self._remove(held, now)
            reason = Reason.REFUSED if outcome.fate is Fate.REFUSED else Reason.TRIES
            return Letter(message, reason, now, outcome.error, held.tries)
        rest = min(REST_FIRST * 2 ** (held.tries - 1), REST_MOST)
        self._put_back(held, now + max(rest, outcome.rest))
        return False

    def give_up(self, message: Message, reason: Reason, now: float, error: str = "") -> Letter:
        """Takes it out, wherever it is."""
        held = self._held[message.id]
        self._remove(held, now)
        return Letter(message, reason, now, error, held.tries)

    def waiting_for(self, receiver: str) -> list[Message]:
        """Everything of one agent that is not settled."""
        return [message for message in self if message.to == receiver]

    def due(self, now: float) -> tuple[list[Letter], set[str]]:
        """What has expired since, and the agents whose messages have rested long enough."""
        letters: list[Letter] = []
        rested: set[str] = set()
        while self._expiries and self._expiries[0][0] <= now:
            held = self._held.get(heapq.heappop(self._expiries)[2])
            if held is not None and not held.out:  # `settle` sees to those that are
                letters.append(self.give_up(held.message, Reason.EXPIRED, now))
        while self._rests and self._rests[0][0] <= now:
            rested.add(heapq.heappop(self._rests)[1])
        return letters, rested

    def next_due(self) -> float | None:
        """When `due` may have something to say again."""
        times = [heap[0][0] for heap in (self._expiries, self._rests) if heap]
        return min(times, default=None)

    def depths(self) -> dict[str, Depth]:
        """Of every agent for whom something is here."""
        return {
            name: Depth(inbox.count, inbox.size, inbox.pace)
            for name, inbox in self._inboxes.items()
            if inbox.count
        }

    def ahead(self, message: Message) -> Iterable[Message]:
        """What stands before it, by the same sender for the same agent."""
        inbox = self._inboxes.get(message.to)
        held = self._held.get(message.id)
        number = self._number + 1 if held is None else held.number
        return () if inbox is None else inbox.ahead(message, number)

    def _inbox(self, receiver: str) -> Inbox:
        inbox = self._inboxes.get(receiver)
        if inbox is None:
            inbox = self._inboxes[receiver] = Inbox()
        return inbox

    def _remove(self, held: Held, now: float) -> None:
        message = held.message
        del self._held[message.id]
        self.total -= held.size
        inbox = self._inboxes[message.to]
        inbox.remove(held, now)
        if not inbox.count:
            self._tidy(message.to)

    def _put_back(self, held: Held, until: float) -> None:
        self._inbox(held.message.to).put_back(held, until=until)
        heapq.heappush(self._rests, (until, held.message.to))

    def _expire_later(self, message: Message) -> None:
        heapq.heappush(self._expiries, (message.expires, self._number, message.id))
        if len(self._expiries) > 2 * len(self._held) + SLACK:  # most of them are settled
            self._expiries = [one for one in self._expiries if one[2] in self._held]
            heapq.heapify(self._expiries)

    def _tidy(self, receiver: str) -> None:
        """Forgets an empty inbox whose pace says nothing."""
        inbox = self._inboxes.get(receiver)
        if inbox is not None and inbox.empty and not inbox.pace:
            del self._inboxes[receiver]


def _full(receiver: str, inbox: Inbox, bounds: Bounds) -> QueueFull:
    tenth = math.ceil(inbox.pace * max(inbox.count, 1) / 10)
    seconds = min(max(1, tenth), RETRY_MOST)
    return QueueFull(
        f"the inbox of {receiver} is full: {inbox.count} messages, {inbox.size} bytes",
        hint=f"try again in {seconds} s; it takes {bounds.count} messages and {bounds.size} bytes",
        retry_after=seconds,
        receiver=receiver,
    )
