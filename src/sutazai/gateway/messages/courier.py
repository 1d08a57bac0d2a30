"""Brings messages to instances, through their doors: agents that sleep are woken for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence

import msgspec

from sutazai.bus.bus import Bus
from sutazai.bus.inboxes import Fate, Outcome
from sutazai.bus.message import Message
from sutazai.fleet.errors import (
    BadInput,
    BadPeer,
    DeadlineExceeded,
    InstanceLost,
    SutazaiError,
    from_dict,
)
from sutazai.gateway.callers.handed import PREFIX
from sutazai.gateway.doors.doors import Doors
from sutazai.gateway.doors.passage import Passage
from sutazai.gateway.messages import envelope
from sutazai.gateway.messages.outcomes import Delivery
from sutazai.wire import Headers, LineSplitter, Response

log = logging.getLogger("sutazai.gateway")

HEADER = f"{PREFIX}messages"
"""Marks a delivery. The gateway lets it through from nobody else."""

ROUNDS = 16
"""Deliveries to one agent at once, each of other senders' messages."""

PATIENCE = 30.0
"""Seconds beyond the time for handling that an instance may be silent."""

LINE_MOST = 32 * 1024**2
"""Bytes of one line of an answer, which holds the answers to several questions."""

REST_FIRST, REST_MOST = 0.5, 60.0
"""Seconds until an agent that could not be reached is tried again, doubled each time."""


class Courier:
    """Takes messages from the bus and tells it what became of them.

    Attributes:
        bus: set before there are messages; it is another one after its broker was changed.
        handling: seconds that an agent has for one message.
    """

    bus: Bus

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self.handling = 300.0
        self._rounds: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_vain: dict[str, int] = {}
        self._versions: dict[str, int] = {}
        self._closed = False

    def ready(self, receiver: str) -> None:
        """There may be messages for ``receiver``."""
        while not self._closed and self._rounds.get(receiver, 0) < ROUNDS:
            messages = self.bus.take(receiver)
            if not messages:
                return
            self._rounds[receiver] = self._rounds.get(receiver, 0) + 1
            task = asyncio.create_task(self._round(receiver, messages), name=f"messages-{receiver}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ends what is under way; what was not settled is delivered again after a restart."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _round(self, receiver: str, messages: Sequence[Message]) -> None:
        try:
            version = self._versions.get(receiver, envelope.VERSION)
            for batch in envelope.batches(messages, version):
                await self._bring(receiver, batch, version)
        finally:
            self._rounds[receiver] -= 1
            if not self._rounds[receiver]:
                del self._rounds[receiver]
        self.ready(receiver)

    async def _bring(self, receiver: str, batch: Sequence[Message], version: int) -> None:
        delivery = Delivery(batch)
        try:
            await self._deliver(receiver, batch, delivery, version)
            error: SutazaiError = BadPeer(f"{receiver} said nothing of a message")
        except SutazaiError as found:
            error = found
        if delivery:
            self._failed(receiver, delivery.rest(), error)
        else:
            self._in_vain.pop(receiver, None)

    async def _deliver(
        self, receiver: str, batch: Sequence[Message], delivery: Delivery, version: int
    ) -> None:
        body = envelope.write(batch, version, handling=self.handling, now=time.time())
        response = await self._doors.hand(receiver, _passage(body, version))
        if response.status != 200:
            raise await self._refusal(receiver, response)
        async for line in _lines(response, self.handling + PATIENCE):
            settled, answers = delivery.hear(line)
            if settled:
                self.bus.settle(settled)
            for question, answer in answers:
                self.bus.answer(question, answer)

    def _failed(self, receiver: str, messages: Sequence[Message], error: SutazaiError) -> None:
        """An instance that died over messages has tried them; one that was not there has not."""
        bus = self.bus
        if isinstance(error, InstanceLost | BadPeer | DeadlineExceeded):
            outcome = Outcome(Fate.FAILED, error.message)
        else:
            times = self._in_vain[receiver] = self._in_vain.get(receiver, 0) + 1
            rest = min(REST_FIRST * 2 ** min(times - 1, 20), REST_MOST)
            outcome = Outcome(Fate.LEFT, error.message, rest=rest)
            log.info("%d messages for %s wait: %s", len(messages), receiver, error.message)
        for message in messages:
            if message.asked:
                bus.answer(message, error)
        bus.settle([(message, outcome) for message in messages if not message.asked])

    async def _refusal(self, receiver: str, response: Response) -> SutazaiError:
        """Why an instance takes no delivery; from now on it gets the version that it speaks."""
        error = await _error_of(receiver, response)
        spoken = error.data.get("spoken")
        if isinstance(error, BadInput) and isinstance(spoken, list):
            common = [one for one in spoken if one in envelope.SPOKEN]
            if common and max(common) != self._versions.get(receiver, envelope.VERSION):
                self._versions[receiver] = max(common)
                return error
        return BadPeer(f"{receiver} takes no messages: {error.message}", hint=error.hint)


def _passage(body: bytes, version: int) -> Passage:
    headers = Headers(((HEADER, str(version)), ("content-type", "application/json")))
    return Passage("POST", "/messages", headers, lambda: body)


async def _lines(response: Response, patience: float) -> AsyncIterator[bytes]:
    """The lines of an answer, each within ``patience`` seconds of the one before."""
    splitter = LineSplitter(LINE_MOST)
    if isinstance(response.body, bytes):
        for line in splitter.feed(response.body + b"\n"):
            yield line
        return
    pieces = response.body
    try:
        while True:
            async with asyncio.timeout(patience):
                piece = await anext(pieces, b"")  # type: ignore[arg-type]
            if not piece:
                return
            for line in splitter.feed(piece):
                yield line
    except TimeoutError as cause:
        raise DeadlineExceeded("the instance has said nothing for too long") from cause
    finally:
        await pieces.aclose()  # type: ignore[union-attr]


async def _error_of(receiver: str, response: Response) -> SutazaiError:
    data = response.body if isinstance(response.body, bytes) else b""
    try:
        value = msgspec.json.decode(data)
        return from_dict(value["error"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return BadPeer(f"{receiver} answers {response.status}: {data[:200]!r}")
