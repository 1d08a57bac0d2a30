"""The broker that needs no other program: inboxes in memory, accepted messages in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from sutazai.bus.carrier import Answers, Arrive
from sutazai.bus.frames import Done, Put
from sutazai.bus.inboxes import Inboxes
from sutazai.bus.journal import Journal
from sutazai.bus.message import Message
from sutazai.bus.window import Window
from sutazai.fleet.errors import QueueFull, SutazaiError, Unavailable


class Embedded:
    """Accepted is what is flushed to this machine's disk.

    Args:
        ready: told of each agent that messages came for.
        recovered: what the log held when it was opened.
    """

    def __init__(
        self,
        journal: Journal,
        inboxes: Inboxes,
        seen: Window,
        ready: Callable[[str], None],
        recovered: Sequence[Message] = (),
    ) -> None:
        self._journal = journal
        self._inboxes = inboxes
        self._seen = seen
        self._ready = ready
        self._recovered = recovered

    async def open(self, arrive: Arrive) -> None:
        for message in self._recovered:
            arrive(message)
        self._recovered = ()

    async def serve(self, agents: Iterable[str]) -> None:
        """All arrives here in any case."""

    async def publish(self, messages: Sequence[Message]) -> Answers:
        fresh: list[Message] = []
        refused: dict[str, SutazaiError] = {}
        for message in messages:
            if message.id in self._seen:
                continue  # sent again: the write below comes after the one that has it
            try:
                self._inboxes.reserve(message)
            except QueueFull as error:
                refused[message.id] = error
            else:
                fresh.append(message)
        if len(refused) < len(messages):
            failed = await self._written(fresh)
            if failed is not None:
                return [failed] * len(messages)
        return [refused.get(message.id) for message in messages]

    def done(self, messages: Sequence[Message]) -> Sequence[Message]:
        self._journal.note([Done([message.id for message in messages])])
        return ()

    def holds(self, message: Message) -> bool:
        return True

    async def close(self) -> None:
        """The log belongs to who opened it."""

    async def _written(self, fresh: Sequence[Message]) -> Unavailable | None:
        self._seen.add([message.id for message in fresh])
        written: asyncio.Future[Unavailable | None] = asyncio.get_running_loop().create_future()

        def then(error: Unavailable | None) -> None:
            self._accept(fresh) if error is None else self._withdraw(fresh)
            if not written.done():
                written.set_result(error)

        self._journal.add([Put(message) for message in fresh], then)
        return await written

    def _accept(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._inboxes.put(message, reserved=True)
        for receiver in {message.to for message in messages}:
            self._ready(receiver)

    def _withdraw(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._inboxes.withdraw(message)
            self._seen.discard(message.id)
