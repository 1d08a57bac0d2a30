"""A class of the old kind under the SDK: synchronous, with ``process_task(task) -> dict``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from sutazai.agent.base import Agent
from sutazai.agent.task import TaskContext
from sutazai.fleet.errors import AgentFailed

NOT_WELL = ("failed", "failure", "error")


class LegacyAgent(Agent):
    """Wraps ``wraps``; derive from it and say which class that is::

        class Coder(LegacyAgent):
            wraps = OldCoder

    The old class is made once, without arguments; write `make` where it wants some. It gets tasks
    as it always has: a dict with an ``id``, in which the keys of an input that is an object stand
    beside ``input``. What it returns is the output; one whose ``status`` says that it failed fails
    the task. It works in threads, on as many tasks at once as the agent's `concurrency`.
    """

    wraps: ClassVar[type]

    def make(self) -> Any:
        """The old agent. Runs in a thread, once, before the first task."""
        return self.wraps()

    async def start(self) -> None:
        self.wrapped = await asyncio.to_thread(self.make)

    def run(self, task: TaskContext) -> Any:
        own = task.input if isinstance(task.input, dict) else {}
        result = self.wrapped.process_task({**own, "id": task.id, "input": task.input})
        if isinstance(result, Mapping) and str(result.get("status", "")).lower() in NOT_WELL:
            said = result.get("error") or result.get("message") or result["status"]
            raise AgentFailed(f"{self.name} failed: {said}")
        return result

    def generate(self, prompt: str) -> str:
        """What the fleet's model says to ``prompt``, for old code that asked Ollama itself."""
        return self.wait(self.llm.generate(prompt)).text
