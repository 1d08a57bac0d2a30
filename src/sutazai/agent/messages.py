"""Messages as an agent sees them: what it gets, and how it sends.

What an agent sends while a request to the gateway is under way goes with the next one, so many
messages that are sent at once cost one request.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from sutazai.agent.identity import Identity
from sutazai.fleet.errors import (
    BadPeer,
    ConnectFailed,
    PeerClosed,
    QueueFull,
    SutazaiError,
    Unavailable,
    from_dict,
)
from sutazai.fleet.ids import new_tag
from sutazai.wire import Address, Client, Timeout

F = TypeVar("F", bound=Callable[..., Any])

VERSION = 3
"""The version of the protocol that is spoken here."""

BATCH = 256
BATCH_SIZE = 512 * 1024
"""Messages and bytes in one request."""

PATIENCE = 30.0
"""Seconds for which a gateway that is away is tried again; it is back within two."""

WAIT_FIRST, WAIT_MOST = 0.1, 2.0
_ASK_MARGIN = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """A message that has come.

    Args:
        id: the same id is the same message; it is handed to an instance once.
        sender: the agent that sent it; ``@admin`` or ``@control`` for a person.
        type: what it is about.
        body: any JSON value.
        version: of its type.
        topic: the topic that it was published on, or nothing.
        asked: the sender waits for what the handler returns.
    """

    id: str
    sender: str
    type: str
    body: Any
    version: int = 1
    topic: str = ""
    asked: bool = False


current_message: ContextVar[Message | None] = ContextVar("current_message", default=None)
"""The message whose handler is running: what is asked meanwhile is asked because of it."""


def on(type: str) -> Callable[[F], F]:  # noqa: A002 (as it is called everywhere else)
    """Marks a method as the handler of messages of one type."""

    def mark(method: F) -> F:
        method.handles = type  # type: ignore[attr-defined]
        return method

    return mark


def handlers_of(agent: type) -> Mapping[str, str]:
    """The names of a class's marked methods, by type of message."""
    names = (name for base in reversed(agent.__mro__) for name in vars(base))
    marked = ((getattr(getattr(agent, name), "handles", None), name) for name in names)
    return {kind: name for kind, name in marked if kind is not None}


class Mail:
    """What one instance sends. Belongs to the event loop that it is made on."""

    def __init__(self, identity: Identity, client: Client) -> None:
        self._identity = identity
        self._client = client
        self._tag = new_tag(8)
        self._number = 0
        self._waiting: list[tuple[bytes, asyncio.Future[Any]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def send(self, message: Mapping[str, Any]) -> Any:
        """What became of a message: None, or the agents that one for several has reached.

        Raises the error that it was refused with.
        """
        data = self._encoded(message)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((data, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all(), name="mail")
        return await answer

    async def ask(self, message: Mapping[str, Any], seconds: float) -> Any:
        """The answer to a question. It is asked once: who asks can ask again."""
        timeout = Timeout(headers=seconds + _ASK_MARGIN, idle=seconds + _ASK_MARGIN)
        data = self._encoded({**message, "lasts": seconds})
        return (await self._request("/messages/ask", data, timeout))["answer"]

    def _encoded(self, message: Mapping[str, Any]) -> bytes:
        self._number += 1
        return json.dumps({"id": f"{self._tag}-{self._number}", **message}).encode()

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self._send(self._next_batch())
        finally:
            self._sending = None

    def _next_batch(self) -> list[tuple[bytes, asyncio.Future[Any]]]:
        size = count = 0
        for data, _ in self._waiting[:BATCH]:
            size += len(data)
            if count and size > BATCH_SIZE:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _send(self, batch: list[tuple[bytes, asyncio.Future[Any]]]) -> None:
        try:
            receipt = await self._persistently(b",".join([data for data, _ in batch]))
        except BaseException as error:  # all who wait hear of it, whatever it is
            for _, answer in batch:
                _fail(answer, error)
            if not isinstance(error, Exception):
                raise
            return
        refused, reached = receipt.get("refused", {}), receipt.get("reached", {})
        for number, (_, answer) in enumerate(batch):
            key = str(number)
            if key in refused:
                _fail(answer, from_dict(refused[key]))
            elif not answer.done():
                answer.set_result(reached.get(key))

    async def _persistently(self, data: bytes) -> Any:
        """Tries again while the gateway is away: the same ids are the same messages."""
        until, wait = time.monotonic() + PATIENCE, WAIT_FIRST
        while True:
            try:
                return await self._request("/messages", data, Timeout(headers=60.0, idle=60.0))
            except (ConnectFailed, PeerClosed, Unavailable) as error:
                if isinstance(error, QueueFull) or time.monotonic() + wait > until:
                    raise
            await asyncio.sleep(wait)
            wait = min(2 * wait, WAIT_MOST)

    async def _request(self, path: str, data: bytes, timeout: Timeout) -> Any:
        identity = self._identity
        response = await self._client.request(
            "POST",
            Address.parse(identity.gateway),
            path,
            headers=(
                ("authorization", f"Bearer {identity.key}"),
                ("content-type", "application/json"),
            ),
            body=b'{"version":%d,"messages":[%b]}' % (VERSION, data),
            timeout=timeout,
        )
        async with response:
            answer = await response.json()
        if response.status == 200:
            return answer
        if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
            raise from_dict(answer["error"])
        raise BadPeer(f"the gateway answered {response.status}")


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error if isinstance(error, SutazaiError) else PeerClosed(str(error)))
