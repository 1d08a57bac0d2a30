"""The base of every agent."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Coroutine, Mapping
from functools import cached_property
from typing import Any, ClassVar, TypeVar, overload

from sutazai.agent.giving import give
from sutazai.agent.identity import Identity
from sutazai.agent.llm import Llm
from sutazai.agent.messages import Mail, Message, current_message, handlers_of
from sutazai.agent.metrics import Metrics
from sutazai.agent.pressure import Pressure
from sutazai.agent.task import DEADLINE, TASK, TaskContext, current_task
from sutazai.fleet.errors import Refused
from sutazai.fleet.ids import new_tag
from sutazai.fleet.trace_ids import TRACEPARENT
from sutazai.wire import Address, Client, Timeout

T = TypeVar("T")

_NO_BODY: Any = object()


class Agent:
    """Derive from it and write `run`; the fleet file names the class as ``module:Class``.

    Attributes:
        name: the agent's name in the fleet file.
        instance: this running copy.
        version: digest of everything that makes this copy what it is.
        prompt: what the fleet file tells the agent to be.
        options: the author's own part of the fleet file.
        llm: the fleet's models.
    """

    def __init__(self, identity: Identity, client: Client) -> None:
        self.identity = identity
        self.name = identity.agent
        self.instance = identity.instance
        self.version = identity.version
        self.prompt = identity.prompt
        self.options: Mapping[str, Any] = identity.options
        self.llm = Llm(identity, client)
        self._client = client
        self._loop = asyncio.get_running_loop()

    @cached_property
    def log(self) -> logging.Logger:
        """Goes to the agent's log, with its level."""
        return logging.getLogger(self.name)

    @cached_property
    def metrics(self) -> Metrics:
        """Counters, gauges and histograms of its own, which Prometheus finds as ``agent_NAME``."""
        return Metrics(lambda: self.log)

    @cached_property
    def _mail(self) -> Mail:
        return Mail(self.identity, self._client)

    _handlers: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls._handlers = handlers_of(cls)

    async def start(self) -> None:
        """Called once before the first task; an error here fails the instance's start."""

    async def stop(self) -> None:
        """Called once after the last task."""

    async def on_pressure(self, pressure: Pressure) -> None:
        """Called where memory is short and this instance is about to be suspended or killed.

        Save what must not be lost; it has ``pressure.seconds`` for that, then it is cut off. `stop`
        is called too where it is suspended, and is not where it is killed.
        """

    def run(self, task: TaskContext) -> Any:
        """Does one piece of work and returns a text or any JSON value.

        Write it with ``async def``. A plain ``def`` runs in a thread, and reaches what is
        asynchronous by `wait`. Whatever it raises fails the task with that reason.
        """
        raise NotImplementedError(f"{type(self).__name__} has no run()")

    async def on_message(self, message: Message) -> Any:
        """Called for each message; it is delivered when this returns, and again where it raises.

        Without one of your own, the method that is marked ``@on(message.type)`` is called. What is
        returned is the answer where the sender asks. Raise ``Refused`` or ``BadInput`` for what
        you do not want: it is not tried again.
        """
        name = self._handlers.get(message.type)
        if name is None:
            raise Refused(f"{self.name} has no handler for messages of type {message.type!r}")
        handled = getattr(self, name)(message)
        return await handled if isinstance(handled, Awaitable) else handled

    async def send(
        self,
        to: str,
        type: str,  # noqa: A002 (as it is called in the fleet file)
        body: Any = None,
        *,
        version: int | None = None,
        lasts: float | None = None,
    ) -> None:
        """Sends a message; when this returns the broker keeps it until it is delivered.

        Args:
            to: the agent that gets it.
            type: what it is about; see `messages.types` of the fleet file.
            body: any JSON value.
            version: of the type; that of the fleet file by default.
            lasts: seconds after which it is a dead letter; that of the fleet file by default.

        Raises ``QueueFull`` (``data["retry_after"]`` seconds), ``Refused`` where the hierarchy has
        no such way, ``BadInput``, ``NotFound``, ``Unavailable``.
        """
        await self._mail.send(_message(type, body, version, lasts, to=to))

    async def broadcast(
        self,
        type: str,  # noqa: A002
        body: Any = None,
        *,
        version: int | None = None,
        lasts: float | None = None,
    ) -> list[str]:
        """Sends a message to all who report to this agent; the names of those who get it."""
        reached = await self._mail.send(_message(type, body, version, lasts, team=True))
        return list(reached or ())

    async def publish(
        self,
        topic: str,
        type: str,  # noqa: A002
        body: Any = None,
        *,
        version: int | None = None,
        lasts: float | None = None,
    ) -> list[str]:
        """Sends a message to those who have ``topic`` among their `topics` in the fleet file, and
        whom this agent may write to; the names of those who get it."""
        reached = await self._mail.send(_message(type, body, version, lasts, topic=topic))
        return list(reached or ())

    @overload
    async def ask(self, to: str, what: Any, /, *, deadline: float | None = None) -> Any: ...

    @overload
    async def ask(
        self, to: str, what: str, body: Any, /, *, deadline: float | None = None
    ) -> Any: ...

    async def ask(
        self, to: str, what: Any, body: Any = _NO_BODY, /, *, deadline: float | None = None
    ) -> Any:
        """Another agent's answer; ``deadline`` in seconds.

        ``ask(to, input)`` is what its `run` returns. ``ask(to, type, body)`` is what its handler of
        such a message returns.

        Raises the error that the other agent failed with, ``NotFound`` for an unknown one,
        ``Refused`` where the hierarchy has no such way, ``TaskStopped`` where the task that it is
        asked for is stopped, and for a message ``Deadlock`` where that agent waits for this one.
        """
        task = current_task.get()
        left = task.deadline if task is not None else 300.0
        seconds = left if deadline is None else min(left, deadline)
        if body is _NO_BODY:
            return await self._invoke(to, what, task, seconds)
        cause = current_message.get()
        more = {} if cause is None else {"cause": cause.id}
        return await self._mail.ask(_message(what, body, None, None, to=to, **more), seconds)

    async def _invoke(
        self, agent: str, value: Any, task: TaskContext | None, seconds: float
    ) -> Any:
        headers = [("authorization", f"Bearer {self.identity.key}")]
        if task is not None:  # the other agent then works for the same task
            headers += [(TASK, task.id), (DEADLINE, f"{seconds:.3f}")]
            headers += [(TRACEPARENT, task.traceparent)] if task.traceparent else []
        reply = await self._client.call(
            "POST",
            Address.parse(self.identity.gateway),
            f"/agents/{agent}/invoke",
            {"input": value, "deadline": seconds},
            headers=headers,
            timeout=Timeout(headers=seconds, idle=seconds),
        )
        return reply["output"]

    async def submit(
        self,
        input: Any,  # noqa: A002 (as it is called everywhere else)
        *,
        agent: str | None = None,
        capability: str | None = None,
        group: str | None = None,
        key: str | None = None,
        **more: Any,
    ) -> str:
        """Gives durable work to an agent, to any with a capability, or to any of a group, and
        returns the task's id once it is written down; nobody waits for its end.

        Args:
            key: the same key is the same task, so that a task which is done again gives no work
                twice.
            more: `priority`, `deadline`, `ttl`, `retries`, `delay` and what else a task has.

        Raises ``Refused`` where one that could get it is none that this agent speaks with,
        ``NotFound``, ``BadInput``, ``QueueFull``, ``Unavailable``.
        """
        targets = {"agent": agent, "capability": capability, "group": group}
        request = {name: value for name, value in targets.items() if value is not None}
        key = key or new_tag(16)
        request |= {"input": input, "idempotency_key": key, **more}
        return await give(self._client, self.identity, request)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of asynchronous work, for a `run` that is a plain ``def``."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _message(
    kind: str, body: Any, version: int | None, lasts: float | None, **more: Any
) -> dict[str, Any]:
    message = {"type": kind, "body": body, **more}
    if version is not None:
        message["type_version"] = version
    if lasts is not None:
        message["lasts"] = lasts
    return message


def as_text(value: Any) -> str:
    """A text as it is, any other value in its JSON form."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
