"""What an instance does with messages that are brought to it.

The messages of one sender are handled one after the other, in their order, those of several senders
beside each other. A question is begun in its turn, and the next message does not wait for its end.
Where a handler fails, the sender's further messages are left for later, behind the one that failed.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from sutazai.agent.base import Agent
from sutazai.agent.bounded import within
from sutazai.agent.messages import VERSION, Message, current_message
from sutazai.agent.work import Workshop
from sutazai.fleet.errors import (
    AgentFailed,
    BadInput,
    DeadlineExceeded,
    NotFound,
    Refused,
    SutazaiError,
)
from sutazai.wire import Request, Response

HEADER = "x-sutazai-messages"
"""The header that the gateway's deliveries have. The gateway lets it through from nobody."""

REMEMBERED = 1024
"""Messages whose handlers have ended and that would not be handled again."""

_Numbered = list[tuple[int, Message, float]]
"""Messages with their number in the delivery, and the seconds that their sender waits."""

_TYPE = (("content-type", "application/x-ndjson"),)


class Deliveries:
    """Hands messages to one agent's handlers."""

    def __init__(self, agent: Agent, workshop: Workshop) -> None:
        self._agent = agent
        self._workshop = workshop
        self._waits = inspect.iscoroutinefunction(agent.on_message)
        self._handled: set[str] = set()
        self._order: deque[str] = deque(maxlen=REMEMBERED)
        self._at_work: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def receive(self, request: Request) -> Response:
        """Answers with a line for what has ended, as it ends."""
        if HEADER not in request.headers:
            raise NotFound(f"no such thing: {request.path}")
        value = await request.json()
        try:
            delivery = _Delivery(float(value.get("handling", 300.0)))
            senders = _by_sender(value)
        except (KeyError, TypeError, AttributeError) as cause:
            raise BadInput(f"the messages cannot be read: {cause!r}") from cause
        for messages in senders:
            delivery.open += len(messages)
            self._start(self._sender(delivery, messages))
        return Response(200, _TYPE, delivery.lines())

    def _start(self, work: Any) -> None:
        """A task that goes on when the gateway is gone: its messages come again, and are known."""
        task = asyncio.create_task(work, name="messages")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sender(self, delivery: _Delivery, messages: _Numbered) -> None:
        failed = False
        for number, message, lasts in messages:
            if failed or message.id in self._at_work:
                failed = True
                delivery.tell("left", number)
            elif message.asked:
                self._start(self._question(delivery, number, message, lasts))
            else:
                failed = not await self._message(delivery, number, message)

    async def _message(self, delivery: _Delivery, number: int, message: Message) -> bool:
        """Whether the sender's next message may follow."""
        if message.id not in self._handled:
            try:
                await self._handle(message, delivery.handling)
            except (Refused, BadInput) as error:
                delivery.tell("refused", number, error.as_dict())
                return True
            except SutazaiError as error:
                delivery.tell("failed", number, error.as_dict())
                return False
            self._remember(message)
        delivery.tell("taken", number)
        return True

    async def _question(
        self, delivery: _Delivery, number: int, message: Message, lasts: float
    ) -> None:
        try:
            answer = await self._handle(message, lasts)
        except SutazaiError as error:
            delivery.tell("failed", number, error.as_dict())
        else:
            delivery.tell("answers", number, answer)

    async def _handle(self, message: Message, seconds: float) -> Any:
        """What the handler returns. Whatever it raises is raised as SutazaiError."""
        token = current_message.set(message)
        self._at_work.add(message.id)
        self._workshop.begin()
        try:
            return await within(seconds, self._call(message))
        except SutazaiError:
            raise
        except TimeoutError as cause:
            raise DeadlineExceeded(
                f"{self._agent.name} was not done with {message.type} after {seconds:g} s"
            ) from cause
        except Exception as cause:  # the author's code may raise anything
            self._agent.log.exception("message %s of type %s failed", message.id, message.type)
            raise AgentFailed(f"{self._agent.name} failed: {_words(cause)}") from cause
        finally:
            self._workshop.end()
            self._at_work.discard(message.id)
            current_message.reset(token)

    async def _call(self, message: Message) -> Any:
        handler = self._agent.on_message
        if self._waits:
            answer = await handler(message)
        else:
            answer = await asyncio.to_thread(handler, message)
        if message.asked:
            json.dumps(answer)  # what is no JSON fails here, in the agent's name
        return answer

    def _remember(self, message: Message) -> None:
        if len(self._order) == REMEMBERED:
            self._handled.discard(self._order[0])
        self._order.append(message.id)
        self._handled.add(message.id)


class _Delivery:
    """One delivery: what is to be said of it."""

    def __init__(self, handling: float) -> None:
        self.handling = handling
        self.open = 0
        self._line: dict[str, Any] = {}
        self._said = asyncio.Event()

    def tell(self, fate: str, number: int, value: Any = None) -> None:
        self.open -= 1
        if fate in ("taken", "left"):
            self._line.setdefault(fate, []).append(number)
        else:
            self._line.setdefault(fate, {})[number] = value
        self._said.set()

    async def lines(self) -> AsyncIterator[bytes]:
        while self.open or self._line:
            await self._said.wait()
            self._said.clear()
            line, self._line = self._line, {}
            yield json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _by_sender(value: Any) -> list[_Numbered]:
    """The messages of a delivery with their numbers, in the order of each sender."""
    if value["version"] != VERSION:
        raise BadInput(
            f"version {value['version']} of the protocol is not spoken here", spoken=[VERSION]
        )
    senders: dict[str, _Numbered] = {}
    for number, one in enumerate(value["messages"]):
        message = Message(
            one["id"],
            one["from"],
            one["type"],
            one["body"],
            one.get("type_version", 1),
            one.get("topic", ""),
            one.get("asked", False),
        )
        senders.setdefault(message.sender, []).append((number, message, one.get("lasts", 0.0)))
    return list(senders.values())


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
