"""Runs the pieces of work of one instance: bounded, with a deadline, every failure a fact."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sutazai.agent.base import Agent
from sutazai.agent.task import Report, TaskContext, current_task
from sutazai.fleet.errors import AgentFailed, BadInput, DeadlineExceeded, QueueFull, SutazaiError
from sutazai.fleet.ids import new_id

LONGEST = 86_400.0
"""Seconds; the longest deadline a caller may ask for."""
PRIORITIES = ("low", "medium", "high")
WAITING_PER_SLOT = 16
"""How many callers may wait for each piece of work that may run at once."""


class Workshop:
    """Runs at most ``concurrency`` pieces of work at once and lets a bounded number wait."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._slots = asyncio.Semaphore(agent.identity.concurrency)
        self._limit = agent.identity.concurrency * (1 + WAITING_PER_SLOT)
        self._last = time.monotonic()
        self._priorities: list[str] = []
        self._handling = 0
        self.admitted = 0
        self.done = 0
        self.failed = 0

    @property
    def idle(self) -> float:
        """Seconds since the last piece of work ended; 0 while one is here."""
        return 0.0 if self.running else time.monotonic() - self._last

    @property
    def running(self) -> int:
        """Pieces of work that are here, and messages that are being handled."""
        return self.admitted + self._handling

    @property
    def serving(self) -> str | None:
        """The highest priority of the work that is here, None where none is known."""
        return max(self._priorities, key=PRIORITIES.index, default=None)

    def begin(self) -> None:
        """Work that is no task has begun: a message is handled."""
        self._handling += 1

    def end(self) -> None:
        """It has ended."""
        self._handling -= 1
        self._last = time.monotonic()

    async def run(self, task: TaskContext) -> dict[str, Any]:
        """The result of one piece of work, in the form of ``fleet.work.Result``."""
        if self.admitted >= self._limit:
            raise QueueFull(
                f"{self._agent.name} has {self.admitted} pieces of work already",
                hint="try again later, or raise `concurrency` or `replicas`",
            )
        self.admitted += 1
        known = [task.priority] if task.priority in PRIORITIES else []
        self._priorities += known
        try:
            result = await self._run_in_time(task)
        except BaseException:  # counted, and also where it is cancelled
            self.failed += 1
            raise
        else:
            self.done += 1
            return result
        finally:
            self.admitted -= 1
            for priority in known:
                self._priorities.remove(priority)
            self._last = time.monotonic()

    async def _run_in_time(self, task: TaskContext) -> dict[str, Any]:
        began = time.monotonic()
        token = current_task.set(task)
        try:
            async with asyncio.timeout_at(task.ends_at), self._slots:
                output = await self._run_agent(task)
        except TimeoutError as error:
            seconds = time.monotonic() - began
            raise DeadlineExceeded(
                f"{self._agent.name} was not done after {seconds:.0f} s",
                hint="give the work a longer deadline, or look at the agent's log",
            ) from error
        finally:
            current_task.reset(token)
        return {
            "output": output,
            "agent": self._agent.name,
            "instance": self._agent.instance,
            "usage": asdict(task.usage),
            "seconds": round(time.monotonic() - began, 3),
        }

    async def _run_agent(self, task: TaskContext) -> Any:
        try:
            if inspect.iscoroutinefunction(self._agent.run):
                output = await self._agent.run(task)
            else:
                output = await asyncio.to_thread(self._agent.run, task)
            json.dumps(output)
        except SutazaiError:
            raise
        except Exception as error:  # the author's code may raise anything
            self._agent.log.exception("task %s failed", task.id)
            reason = f"{type(error).__name__}: {error}"
            raise AgentFailed(f"{self._agent.name} failed: {reason}") from error
        return output


def task_of(invocation: object, report: Report) -> TaskContext:
    """The context for a body in the form of ``fleet.work.Invocation``; raises BadInput."""
    if not isinstance(invocation, Mapping) or "input" not in invocation:
        raise BadInput("the body is a JSON object with `input`", hint='{"input": "…"}')
    deadline = invocation.get("deadline", 300.0)
    if not isinstance(deadline, int | float) or not 0 < deadline <= LONGEST:
        raise BadInput(f"`deadline` is a number of seconds up to {LONGEST:.0f}")
    return TaskContext(
        id=_optional(invocation, "task", str) or new_id("task"),
        input=invocation["input"],
        ends_at=asyncio.get_running_loop().time() + deadline,
        schema=_optional(invocation, "schema", dict),
        max_tokens=_optional(invocation, "max_tokens", int),
        report=report,
    )


def _optional(invocation: Mapping[str, Any], name: str, kind: type) -> Any:
    value = invocation.get(name)
    if value is not None and not isinstance(value, kind):
        raise BadInput(f"`{name}` is a JSON {kind.__name__}")
    return value
