"""The agents of the benchmark, each a real instance in a process of its own.

``python -m benchmarks.messaging.agents IDENTITY`` (JSON) runs one on the socket that it names.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from typing import Any

from sutazai.agent import Agent, Message, TaskContext
from sutazai.agent.identity import Identity
from sutazai.agent.process import run, set_up_logging
from sutazai.fleet.errors import QueueFull

BODY = "x" * 1022
"""1 KiB as JSON."""


class Sender(Agent):
    """Sends as many messages as it is told, so many at once; gives the milliseconds of each."""

    async def run(self, task: TaskContext) -> Any:
        how = task.input
        left = how["messages"]
        took: list[float] = []

        async def send() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                began = time.perf_counter()
                while not await self._sent(how["to"]):
                    await asyncio.sleep(0.01)
                took.append(1000 * (time.perf_counter() - began))

        await asyncio.gather(*(send() for _ in range(how["at_once"])))
        return took

    async def _sent(self, to: str) -> bool:
        """False where the receiver's inbox is full, for it is slower than its sender."""
        try:
            await self.send(to, "bench", BODY)
        except QueueFull:
            return False
        return True


class Receiver(Agent):
    """Counts; says how many different messages it has had, and how many in all."""

    async def start(self) -> None:
        self.ids: set[str] = set()
        self.got = 0

    async def on_message(self, message: Message) -> None:
        assert message.body == BODY
        self.ids.add(message.id)
        self.got += 1

    async def run(self, task: TaskContext) -> Any:
        return {"different": len(self.ids), "all": self.got}


def main() -> None:
    told = json.loads(sys.argv[1])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(told.pop("socket"))
    listener.listen(1024)
    set_up_logging()
    run(Identity(**told), listener)


if __name__ == "__main__":
    main()
