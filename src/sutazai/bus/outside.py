"""What brokers that are programs of their own have in common.

Everything such a broker keeps for this gateway's agents is brought here at once and waits in our
own inboxes, so order, retries, expiry and dead letters are the same with every broker. The broker
is told that it may forget a message when that is settled; after a restart, of it or of us, it
brings again what is not.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from sutazai.bus.carrier import Answers, Arrive
from sutazai.bus.message import Message
from sutazai.fleet.errors import SutazaiError

log = logging.getLogger("sutazai.bus")

Ack = Callable[[], Awaitable[object]]
"""Tells the broker that it may forget a message."""

ACKS_AT_ONCE = 256

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Message)


class Outside(ABC):
    """A carrier over a broker's own client, which reconnects by itself."""

    def __init__(self) -> None:
        self._arrive: Arrive = lambda message: True
        self._held: dict[str, Ack] = {}
        self._acks: asyncio.Queue[Ack] = asyncio.Queue()
        self._acking: asyncio.Task[None] | None = None

    async def open(self, arrive: Arrive) -> None:
        self._arrive = arrive
        await self._connect()
        self._acking = asyncio.create_task(self._tell(), name="messages-acks")

    async def close(self) -> None:
        if self._acking is not None:
            await self._acks.join()
            self._acking.cancel()
            await asyncio.gather(self._acking, return_exceptions=True)
        await self._disconnect()

    @abstractmethod
    async def serve(self, agents: Iterable[str]) -> None: ...

    async def publish(self, messages: Sequence[Message]) -> Answers:
        return await asyncio.gather(*(self._published(message) for message in messages))

    def done(self, messages: Sequence[Message]) -> Sequence[Message]:
        rest: list[Message] = []
        for message in messages:
            ack = self._held.pop(message.id, None)
            if ack is None:
                rest.append(message)
            else:
                self._acks.put_nowait(ack)
        return rest

    def holds(self, message: Message) -> bool:
        return message.id in self._held

    @abstractmethod
    async def _connect(self) -> None:
        """Raises Unavailable."""

    @abstractmethod
    async def _disconnect(self) -> None: ...

    @abstractmethod
    async def _put(self, message: Message, data: bytes) -> SutazaiError | None:
        """Gives data to the broker; None once it is kept as the broker promises."""

    async def _published(self, message: Message) -> SutazaiError | None:
        return await self._put(message, _ENCODER.encode(message))

    async def _came(self, data: bytes, ack: Ack) -> None:
        """The broker brings a message, perhaps not for the first time."""
        try:
            message = _DECODER.decode(data)
        except msgspec.MsgspecError as error:
            log.warning(
                "a message of %d bytes cannot be read, and is dropped: %s", len(data), error
            )
            self._acks.put_nowait(ack)
            return
        known = message.id in self._held
        self._held[message.id] = ack
        if not known and not self._arrive(message):
            del self._held[message.id]
            self._acks.put_nowait(ack)

    async def _tell(self) -> None:
        while True:
            acks = [await self._acks.get()]
            while not self._acks.empty() and len(acks) < ACKS_AT_ONCE:
                acks.append(self._acks.get_nowait())
            told = await asyncio.gather(*(ack() for ack in acks), return_exceptions=True)
            for result in told:
                self._acks.task_done()
                if isinstance(result, Exception):  # it was not told, so it brings that one again
                    log.info("a message could not be acknowledged: %s", result)
