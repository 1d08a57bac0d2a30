"""The lines that an instance logs: each carries the ids of the task that it is logged for.

Formatters of the standard library's `logging`, and not structlog: whatever an instance holds, each
of hundreds holds, and their authors log by `logging` anyway.
"""

from __future__ import annotations

import json
import logging
import time
from logging import LogRecord

from sutazai.agent.identity import Identity
from sutazai.agent.task import current_task

TEXT_MAX = 4096
"""Characters of a message, and of an exception's end, in an object: so a line stays within what
the host takes for one."""


class ConsoleLines(logging.Formatter):
    """``LEVEL message [task=… run=… trace=…]``; further lines of it stand further in. It is read
    back by `fleet.log_lines`."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(message)s")

    def format(self, record: LogRecord) -> str:
        """As the log takes it."""
        first, *more = super().format(record).split("\n")
        if (task := current_task.get()) is not None:
            run = f" run={task.run}" if task.run else ""
            first += f" [task={task.id}{run} trace={task.trace}]"
        return "\n".join([first, *(f"  {line}" for line in more)])


class JsonLines(logging.Formatter):
    """A JSON object a line; see `fleet.log_lines`."""

    def __init__(self, identity: Identity) -> None:
        super().__init__()
        self._whose = {"agent": identity.agent, "version": identity.version}

    def format(self, record: LogRecord) -> str:
        """As the log takes it."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage()[:TEXT_MAX],
            **self._whose,
        }
        if (task := current_task.get()) is not None:
            line |= {"task": task.id, "run": task.run or "", "trace": task.trace}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-TEXT_MAX:]
        return json.dumps({name: text for name, text in line.items() if text}, ensure_ascii=False)


def write_objects(identity: Identity) -> None:
    """From now on what this process logs is written as JSON."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines(identity))
