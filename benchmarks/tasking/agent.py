"""An agent that gives back what it gets: ``python -m benchmarks.tasking.agent IDENTITY``."""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

from sutazai.agent import Agent, TaskContext
from sutazai.agent.identity import Identity
from sutazai.agent.process import run, set_up_logging


class Echo(Agent):
    """Does nothing, so that only the way to it is measured."""

    async def run(self, task: TaskContext) -> Any:
        return task.input


def main() -> None:
    given = json.loads(sys.argv[1])
    path = given.pop("socket")
    set_up_logging()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1024)
    run(Identity(**given), listener)


if __name__ == "__main__":
    main()
