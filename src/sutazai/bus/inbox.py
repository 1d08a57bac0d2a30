"""One agent's inbox: its messages by sender, in order. Pure.

A sender's messages are delivered in the order in which they were published, and the next ones only
once those before have been settled. What somebody waits for (`Message.asked`) keeps its place in
the order but holds up nobody: an agent may work on it for minutes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from sutazai.bus.message import Message

BATCH = 256
"""Messages in one delivery."""

BATCH_SIZE = 256 * 1024
"""Bytes in one delivery; a single message may be larger."""

PACE_SHARE = 0.1
"""Weight of the latest message in the mean time that one takes to be settled."""


class Held(msgspec.Struct, gc=False):
    """A message in an inbox, its place among all, its bytes as bounds count them.

    One that is ``out`` is being delivered; one that is ``over`` is passed by when its turn comes.
    """

    message: Message
    number: int
    size: int
    tries: int = 0
    out: bool = False
    over: bool = False


@dataclass(slots=True)
class _Pair:
    waiting: deque[Held] = field(default_factory=deque)
    out: dict[str, Held] = field(default_factory=dict)
    back: list[Held] = field(default_factory=list)
    rests_until: float = 0.0

    @property
    def idle(self) -> bool:
        return not (self.waiting or self.out or self.back)


class Inbox:
    """What one agent is still to get.

    ``count`` and ``size`` tell of everything that is not settled, ``reserved`` of messages that are
    on their way into it.
    """

    def __init__(self) -> None:
        self.count = 0
        self.size = 0
        self.reserved = 0
        self.pace = 0.0
        self._settled = 0.0
        self._pairs: dict[str, _Pair] = {}
        self._free: dict[str, None] = {}

    @property
    def empty(self) -> bool:
        return not self.count and not self.reserved

    def put(self, held: Held) -> None:
        """At the end of its sender's messages."""
        pair = self._pair(held)
        self.count += 1
        self.size += held.size
        pair.waiting.append(held)
        if not pair.out:
            self._free[held.message.sender] = None

    def take(self, now: float) -> list[Held]:
        """The next delivery, fair among senders; nothing where all of them wait or rest.

        One that has failed before goes alone, so that it spoils no others.
        """
        batch: list[Held] = []
        room = BATCH_SIZE
        for sender in tuple(self._free):
            pair = self._pairs[sender]
            if pair.rests_until > now:
                continue
            room = self._fill(batch, pair, room)
            del self._free[sender]
            if pair.waiting and not pair.out:
                self._free[sender] = None  # behind the others
            elif pair.idle:
                del self._pairs[sender]
            if room <= 0:
                break
        return batch

    def _fill(self, batch: list[Held], pair: _Pair, room: int) -> int:
        """Moves what fits; the room that is left, none where the batch is to be closed."""
        waiting = pair.waiting
        while waiting:
            held = waiting[0]
            if held.over:
                waiting.popleft()
                continue
            if batch and (len(batch) >= BATCH or held.size > room or held.tries):
                return 0 if not held.tries else room
            waiting.popleft()
            held.out = True
            batch.append(held)
            room -= held.size
            if not held.message.asked:
                pair.out[held.message.id] = held
            if held.tries:
                return 0
        return room

    def remove(self, held: Held, now: float) -> None:
        """It is settled for good."""
        held.over = True
        self.count -= 1
        self.size -= held.size
        if self._settled:
            self.pace += (now - self._settled - self.pace) * PACE_SHARE
        self._settled = now
        self._came_back(held)

    def put_back(self, held: Held, *, until: float) -> None:
        """It was delivered in vain, and stands where it stood; its sender's messages rest."""
        held.out = False
        pair = self._pair(held)
        pair.rests_until = max(pair.rests_until, until)
        pair.back.append(held)
        self._came_back(held)

    def ahead(self, message: Message, number: int) -> Iterator[Message]:
        """What must be settled before a message of that number, by the same sender."""
        pair = self._pairs.get(message.sender)
        if pair is not None:
            for held in (*pair.out.values(), *pair.back, *pair.waiting):
                if held.number < number and not held.over and not held.message.asked:
                    yield held.message

    def _pair(self, held: Held) -> _Pair:
        sender = held.message.sender
        pair = self._pairs.get(sender)
        if pair is None:
            pair = self._pairs[sender] = _Pair()
        return pair

    def _came_back(self, held: Held) -> None:
        sender, pair = held.message.sender, self._pair(held)
        pair.out.pop(held.message.id, None)
        if pair.out:
            return
        if pair.back:
            pair.waiting.extendleft(sorted(pair.back, key=lambda one: one.number, reverse=True))
            pair.back.clear()
        if pair.waiting:
            self._free[sender] = None
        else:
            del self._pairs[sender]
            self._free.pop(sender, None)
