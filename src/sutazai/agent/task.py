"""The context of one piece of work: its input, its deadline, and the way to report on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from sutazai.fleet.trace_ids import trace_id, trace_of_parent

TASK = "x-sutazai-task"
"""The header that says which task a call is made for. The gateway believes it of the agent that is
serving that task."""
DEADLINE = "x-sutazai-deadline"
"""The header that says how many seconds are left."""
RUN = "x-sutazai-run"
"""The header that says which run the task belongs to, where it does."""
PRIORITY = "x-sutazai-priority"
"""The header that says how urgent the task is: high, medium or low."""
TOOLS = "x-sutazai-tools"
"""The header of an answer that says how many tools were called for it, and how many of these calls
failed: ``3 1``. The gateway reads it while versions of an agent are compared."""


@dataclass
class Usage:
    """Tokens and calls that one piece of work took; grows while it runs."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0

    def add(self, *, prompt_tokens: int, completion_tokens: int) -> None:
        """Counts one more call to a model."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.calls += 1


class Report(Protocol):
    """Where progress and tokens go; awaited, so that a slow reader slows the agent."""

    def __call__(self, event: str, data: dict[str, Any]) -> Awaitable[None]: ...


async def report_to_nobody(event: str, data: dict[str, Any]) -> None:
    """The report of a caller who waits for the result alone."""


@dataclass(kw_only=True)
class TaskContext:
    """What an agent gets for one piece of work.

    ``id`` is what the gateway knows the work by. ``input`` is a text or any JSON value; ``schema``,
    where given, the JSON Schema that the caller wants the answer to follow; ``ends_at`` the loop
    time by which the work is cancelled; ``priority`` is high, medium or low, None where nobody
    said it. ``run`` is the run that it belongs to, ``traceparent`` what the caller's header of that
    name says; both None where there is none. ``tool_calls``, and ``tool_errors`` among them, are
    what `tool` has counted.
    """

    id: str
    input: Any
    ends_at: float
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None
    priority: str | None = None
    run: str | None = None
    traceparent: str | None = None
    report: Report = report_to_nobody
    usage: Usage = field(default_factory=Usage)
    tool_calls: int = 0
    tool_errors: int = 0
    clock: Callable[[], float] = field(default_factory=lambda: asyncio.get_running_loop().time)

    @property
    def deadline(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.ends_at - self.clock())

    @cached_property
    def trace(self) -> str:
        """The id of its trace: the caller's, else its own, which follows from ``id``."""
        return trace_of_parent(self.traceparent) or trace_id(self.id)

    async def progress(self, message: str, fraction: float | None = None) -> None:
        """Says how far the work is; ``fraction`` from 0 to 1 where it is known."""
        data: dict[str, Any] = {"message": message}
        if fraction is not None:
            data["fraction"] = fraction
        await self.report("progress", data)

    async def token(self, text: str) -> None:
        """Hands on a piece of the answer as it comes."""
        await self.report("token", {"text": text})

    @contextmanager
    def tool(self) -> Iterator[None]:
        """Counts what is done within as one call of a tool, which has failed where it raises.

        A rollout compares by it how often the tools of both versions fail.
        """
        self.tool_calls += 1
        try:
            yield
        except BaseException:  # a tool that was cut off has not answered either
            self.tool_errors += 1
            raise


current_task: ContextVar[TaskContext | None] = ContextVar("current_task", default=None)
"""The work that the running code belongs to; the LLM client counts its tokens there."""
