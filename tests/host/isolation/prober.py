"""An agent that tries what it is told, and says what came of it. Its module is copied to it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from sutazai.agent import Agent, TaskContext


def read(path: str) -> str:
    return Path(path).read_bytes().decode("latin-1")


def write(path: str, text: str) -> str:
    Path(path).write_text(text)
    return "written"


def connect(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)
    return "connected"


def dial(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return "connected"


def send(pid: int) -> str:
    os.kill(pid, signal.SIGCONT)
    return "sent"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def look(folder: str) -> list[str]:
    return sorted(os.listdir(folder))


def about() -> dict[str, Any]:
    fields = dict(line.split(":\t", 1) for line in read("/proc/self/status").splitlines())
    return {
        "uids": sorted({*os.getresuid(), *os.getresgid()}),
        "groups": os.getgroups(),
        "capabilities": int(fields["CapEff"], 16) | int(fields["CapPrm"], 16),
        "no_new_privileges": fields["NoNewPrivs"],
        "home": os.environ.get("HOME"),
        "own": os.environ.get("SUTAZAI_HOME"),
        "scratch": tempfile.gettempdir(),
        "cores": sorted(os.sched_getaffinity(0)),
        "name": read("/proc/self/comm").strip(),
    }


DEEDS = {deed.__name__: deed for deed in (read, write, connect, dial, send, run, look, about)}


class Prober(Agent):
    """Does one thing; an error of the system is answered by its name, as ``EACCES``."""

    async def run(self, task: TaskContext) -> Any:
        deed, *arguments = task.input
        try:
            return DEEDS[deed](*arguments)
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))
