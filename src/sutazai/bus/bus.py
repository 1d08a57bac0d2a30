"""The broker of one gateway: inboxes, dead letters and open questions over the carriers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sutazai.bus.carrier import Answers, Carrier
from sutazai.bus.embedded import Embedded
from sutazai.bus.frames import Buried, Done, Dug, Put, Record, Seen
from sutazai.bus.inboxes import Depth, Fate, Inboxes, Outcome
from sutazai.bus.journal import COMPACT_AT, Journal
from sutazai.bus.letters import Filter, Letters
from sutazai.bus.message import Bounds, Letter, Message, Reason
from sutazai.bus.waits import Waits
from sutazai.bus.window import Window
from sutazai.fleet.errors import Conflict, DeadlineExceeded, Deadlock, SutazaiError, Unavailable
from sutazai.fleet.ids import new_tag

Settled = tuple[Message, Outcome]

LOOK_EVERY = 1.0
"""Seconds after which what expires or has rested is looked for at the latest."""


@dataclass
class _Recovered:
    """What a log tells, record by record."""

    messages: dict[str, Message] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def take(self, record: Record) -> None:
        match record:
            case Put(message):
                self.messages[message.id] = message
                self.letters.pop(message.id, None)  # delivered once more
                self.seen.append(message.id)
            case Done(ids):
                for name in ids:
                    self.messages.pop(name, None)
            case Buried(letter):
                self.messages.pop(letter.message.id, None)
                self.letters[letter.message.id] = letter
            case Dug(ids):
                for name in ids:
                    self.letters.pop(name, None)
            case Seen(ids):
                self.seen += ids


class Bus:
    """Takes messages in and hands them out. Made where an event loop runs.

    Who hands them out is told by ``ready`` which agent has messages, gets them by `take`, and says
    by `settle` what became of each.

    Args:
        path: the log file.
        outside: another broker that keeps what is published, or None for the log.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        *,
        ready: Callable[[str], None],
        bounds: Bounds = Bounds(),  # noqa: B008 (frozen)
        outside: Carrier | None = None,
        clock: Callable[[], float] = time.time,
        compact_at: int = COMPACT_AT,
    ) -> None:
        self._ready = ready
        self._clock = clock
        self._outside = outside
        self.inboxes = Inboxes(bounds)
        self.letters = Letters(bounds)
        self._seen = Window()
        self._waits = Waits()
        self._answers: dict[str, asyncio.Future[bytes]] = {}
        self._journal = Journal(path, self._snapshot, compact_at=compact_at)
        self._own = Embedded(self._journal, self.inboxes, self._seen, ready)
        self._looking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises Unavailable where the log cannot be used or the broker outside not be reached."""
        found = _Recovered()
        for record in await self._journal.open():
            found.take(record)
        for letter in found.letters.values():
            self.letters.add(letter)
        self._seen.add(found.seen)
        messages = list(found.messages.values())
        self._own = Embedded(self._journal, self.inboxes, self._seen, self._ready, messages)
        await self._own.open(self._arrive_again)
        if self._outside is not None:
            await self._outside.open(self._arrive)
        self._looking = asyncio.create_task(self._look(), name="messages-clock")

    async def close(self) -> None:
        """Whoever waits for an answer is told that none comes."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(Unavailable("the gateway is stopped", retry_after=2))
        if self._outside is not None:
            await self._journal.flush()  # so that it hears what it may forget
            await self._outside.close()
        await self._journal.close()

    async def serve(self, agents: Iterable[str]) -> None:
        """The agents there are from now on. Messages for others are given up."""
        known = frozenset(agents)
        if self._outside is not None:
            await self._outside.serve(known)
        for message in [message for message in self.inboxes if message.to not in known]:
            error = f"there is no agent {message.to} any more"
            self._end(self.inboxes.give_up(message, Reason.UNKNOWN, self._clock(), error))

    # in

    async def publish(self, messages: Sequence[Message]) -> Answers:
        """What came of each: None where it is accepted, or QueueFull, Unavailable."""
        return await (self._outside or self._own).publish(messages)

    async def ask(self, question: Message) -> bytes:
        """The answer, as JSON. It is kept nowhere: who asks waits, and knows when none comes.

        Raises Deadlock, QueueFull, DeadlineExceeded, or what the agent's handler raised.
        """
        if question.id in self._answers:
            raise Conflict(f"the question {question.id} is asked already")
        circle = self._waits.circle(question, self.inboxes.ahead)
        if circle:
            raise _deadlock(circle)
        self.inboxes.reserve(question)
        self.inboxes.put(question, reserved=True)
        self._waits.begin(question)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[question.id] = answer
        self._ready(question.to)
        try:
            async with asyncio.timeout(question.expires - self._clock()):
                return await answer
        except TimeoutError as cause:
            raise DeadlineExceeded(f"{question.to} has not answered in time") from cause
        finally:
            del self._answers[question.id]
            self._waits.end(question)
            if question.id in self.inboxes:
                self.inboxes.give_up(question, Reason.EXPIRED, self._clock())

    # out

    def take(self, receiver: str) -> list[Message]:
        """The next delivery for an agent, each message of which is to be settled."""
        return self.inboxes.take(receiver, self._clock())

    def settle(self, settled: Iterable[Settled]) -> None:
        """What became of messages that were taken."""
        now = self._clock()
        gone: list[Message] = []
        receivers: set[str] = set()
        for message, outcome in settled:
            receivers.add(message.to)
            result = self.inboxes.settle(message, outcome, now)
            if isinstance(result, Letter):
                self._end(result)
            elif result and not message.asked:
                gone.append(message)
        if gone:
            self._done(gone)
        for receiver in receivers:
            self._ready(receiver)

    def answer(self, question: Message, answer: bytes | SutazaiError) -> None:
        """What an agent answers; nothing happens where nobody waits for it any more."""
        self.settle([(question, Outcome(Fate.TAKEN))])
        waiting = self._answers.get(question.id)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, SutazaiError):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)

    # for people

    def depths(self) -> dict[str, Depth]:
        return self.inboxes.depths()

    def bury(self, message: Message, reason: Reason, error: str = "") -> None:
        """A message that was never in an inbox becomes a dead letter."""
        self._keep(Letter(message, reason, self._clock(), error))

    async def replay(self, wanted: Filter, *, lasts: float) -> list[Message]:
        """Publishes dead letters anew, delivered for ``lasts`` seconds; those that were accepted.

        Raises the error of the first that was not, where none was.
        """
        letters = self.letters.find(wanted)[::-1]
        now = self._clock()
        messages = [_renewed(letter.message, now, now + lasts) for letter in letters]
        answers = await self.publish(messages)
        accepted = [one for one, error in zip(messages, answers, strict=True) if error is None]
        gone = zip(letters, answers, strict=True)
        self._dig([letter.message.id for letter, error in gone if error is None])
        refused = [error for error in answers if error is not None]
        if refused and not accepted:
            raise refused[0]
        return accepted

    def drop(self, wanted: Filter) -> int:
        """Forgets dead letters; how many."""
        ids = [letter.message.id for letter in self.letters.find(wanted)]
        self._dig(ids)
        return len(ids)

    # inside

    def _arrive(self, message: Message) -> bool:
        if message.id in self._seen:
            return False
        self._seen.add([message.id])
        return self._arrive_again(message)

    def _arrive_again(self, message: Message) -> bool:
        self.inboxes.put(message)
        self._ready(message.to)
        return True

    def _end(self, letter: Letter) -> None:
        """A message is given up: first its letter is on disk, then whoever holds it may drop it."""
        if not letter.message.asked:
            self._keep(letter)

    def _keep(self, letter: Letter) -> None:
        self.letters.add(letter)

        def then(error: Unavailable | None) -> None:
            if error is None:
                self._done([letter.message])

        self._journal.add([Buried(letter)], then)

    def _done(self, messages: Sequence[Message]) -> None:
        rest = messages if self._outside is None else self._outside.done(messages)
        if rest:
            self._own.done(rest)

    def _dig(self, ids: list[str]) -> None:
        for name in ids:
            self.letters.remove(name)
        if ids:
            self._journal.note([Dug(ids)])

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._until_due())
            now = self._clock()
            letters, rested = self.inboxes.due(now)
            for letter in letters:
                self._end(letter)
            for receiver in rested.union(letter.message.to for letter in letters):
                self._ready(receiver)
            if gone := self.letters.retire(now):
                self._journal.note([Dug(gone)])

    def _until_due(self) -> float:
        due = self.inboxes.next_due()
        return LOOK_EVERY if due is None else min(max(due - self._clock(), 0.005), LOOK_EVERY)

    def _snapshot(self) -> list[Record]:
        outside = self._outside
        return [
            Seen(list(self._seen)),
            *(Buried(letter) for letter in self.letters),
            *(
                Put(message)
                for message in self.inboxes
                if not message.asked and not (outside is not None and outside.holds(message))
            ),
        ]


def _renewed(message: Message, now: float, expires: float) -> Message:
    """The same as another message: under its own id it would be taken for one that is known."""
    return Message(
        f"{message.id.partition('+')[0]}+{new_tag()}",
        message.sender,
        message.to,
        message.type,
        message.body,
        now,
        expires,
        version=message.version,
        topic=message.topic,
    )


def _deadlock(circle: Sequence[str]) -> Deadlock:
    around = " → ".join(circle)
    return Deadlock(
        f"asking {circle[1]} would wait for ever: {around}",
        hint="use `send`, or answer first and ask afterwards",
        circle=list(circle),
    )
