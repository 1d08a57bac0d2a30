"""The base of every agent."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from sutazai.agent.identity import Identity
from sutazai.agent.llm import Llm
from sutazai.agent.pressure import Pressure
from sutazai.agent.task import DEADLINE, TASK, TaskContext, current_task
from sutazai.wire import Address, Client, Timeout

T = TypeVar("T")


class Agent:
    """Derive from it and write `run`; the fleet file names the class as ``module:Class``.

    Attributes:
        name: the agent's name in the fleet file.
        instance: this running copy.
        version: digest of everything that makes this copy what it is.
        prompt: what the fleet file tells the agent to be.
        options: the author's own part of the fleet file.
        llm: the fleet's models.
        log: goes to the agent's log, with its level.
    """

    def __init__(self, identity: Identity, client: Client) -> None:
        self.identity = identity
        self.name = identity.agent
        self.instance = identity.instance
        self.version = identity.version
        self.prompt = identity.prompt
        self.options: Mapping[str, Any] = identity.options
        self.llm = Llm(identity, client)
        self.log = logging.getLogger(identity.agent)
        self._client = client
        self._loop = asyncio.get_running_loop()

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

    async def ask(self, agent: str, input: Any, *, deadline: float | None = None) -> Any:  # noqa: A002
        """Another agent's output for ``input``; ``deadline`` in seconds.

        Raises the error that the other agent failed with, ``NotFound`` for an unknown one,
        ``TaskStopped`` where the task that it is asked for is stopped.
        """
        task = current_task.get()
        left = task.deadline if task is not None else 300.0
        seconds = left if deadline is None else min(left, deadline)
        headers = [("authorization", f"Bearer {self.identity.key}")]
        if task is not None:  # the other agent then works for the same task
            headers += [(TASK, task.id), (DEADLINE, f"{seconds:.3f}")]
        reply = await self._client.call(
            "POST",
            Address.parse(self.identity.gateway),
            f"/agents/{agent}/invoke",
            {"input": input, "deadline": seconds},
            headers=headers,
            timeout=Timeout(headers=seconds, idle=seconds),
        )
        return reply["output"]

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of asynchronous work, for a `run` that is a plain ``def``."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def as_text(value: Any) -> str:
    """A text as it is, any other value in its JSON form."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
