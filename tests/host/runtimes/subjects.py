"""One program in the forms that the runtimes take, and what each of them can be held to.

Whichever form it has, it does what it is asked: ``pid`` gives its process id, ``say …`` has it
print a line, ``crash`` ends it with status 3. Asked to end, it says so.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.host.containers.podman import IMAGE, podman_or_skip, why_not, write_program

GOODBYE = "asked to end"
CRASHED = 3
LIMIT = 128 * 1024**2

AGENT = """
import os
from sutazai.agent import Agent

class Subject(Agent):
    async def run(self, task):
        if task.input == "crash":
            os._exit(3)
        if task.input.startswith("say "):
            print(task.input.removeprefix("say "), flush=True)
        return os.getpid()

    async def stop(self):
        print("asked to end", flush=True)
"""
PROGRAM = """
import json, os, signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Subject(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({"status": "healthy"})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
        if asked == "crash":
            os._exit(3)
        if asked.startswith("say "):
            print(asked.removeprefix("say "), flush=True)
        self.answer({"output": os.getpid()})

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

def end(number, frame):
    print("asked to end", flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, end)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Subject).serve_forever()
"""
FILES = {"subject_agent.py": AGENT, "subject_program.py": PROGRAM}


@dataclass(frozen=True)
class Subject:
    """One runtime.

    Args:
        declare: the agent in the fleet file, for the folder that holds `FILES`.
        owned: whether the fleet starts and ends it, so that it can be held to all rules.
        beside: what has to run beside the fleet meanwhile; gives what has to be in the fleet's
            environment.
        missing: what it needs that this machine lacks, in words; empty for nothing.
    """

    declare: Callable[[Path], dict[str, Any]]
    owned: bool = True
    beside: Callable[[Path], AbstractContextManager[dict[str, str]]] | None = None
    missing: str = ""


def python(folder: Path) -> dict[str, Any]:
    return {"class": "subject_agent:Subject"}


def command(folder: Path) -> dict[str, Any]:
    program = [sys.executable, "-S", "-E", "subject_program.py"]
    return {"runtime": "command", "command": program}


def remote(folder: Path) -> dict[str, Any]:
    return {"runtime": "remote", "url": f"http://127.0.0.1:{(folder / 'port').read_text()}"}


def container(folder: Path) -> dict[str, Any]:
    command, volumes = write_program(folder / "contained")
    (folder / "contained" / "agent.py").write_text(PROGRAM)
    program = {"runtime": "container", "image": IMAGE, "command": command, "volumes": volumes}
    # Many failures, for a busy engine may take seconds to tell that a container has ended.
    health = {"path": "/health", "interval": "500ms", "failures": 30, "grace": "60s"}
    return {**program, "network": "host", "health": health}


@contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """Podman, with the image."""
    with podman_or_skip() as running:
        yield {"DOCKER_HOST": running.host}


@contextmanager
def somebody_elses(folder: Path) -> Iterator[dict[str, str]]:
    """The program, started by nobody of the fleet, on the port that it leaves in a file."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    (folder / "port").write_text(port)
    words = [sys.executable, "-S", "-E", "subject_program.py"]
    with subprocess.Popen(
        words, cwd=folder, env={**os.environ, "PORT": port}, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield {}
        finally:
            process.terminate()


SUBJECTS = {
    "python": Subject(python),
    "command": Subject(command),
    "container": Subject(container, beside=engine, missing=why_not()),
    "remote": Subject(remote, owned=False, beside=somebody_elses),
}
"""The table: a further runtime is a further row."""
