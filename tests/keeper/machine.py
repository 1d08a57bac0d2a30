"""A small machine for one test: a real keeper, a host made of a script, a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sutazai.keeper import processes

PATIENCE = 60.0
T = TypeVar("T")

HOST = """
import os, signal, subprocess, sys, time
folder = sys.argv[1]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

def note(name, text):
    with open(f"{folder}/{name}.new", "w") as file:
        file.write(str(text))
    os.replace(f"{folder}/{name}.new", f"{folder}/{name}")

def orphan(run):
    '''Runs `run` in a process forked twice, as the zygote does with instances.'''
    if os.fork() == 0:
        if os.fork() == 0:
            run()
            os._exit(0)
        os._exit(0)
    os.wait()
"""

IDLE = "note('host', os.getpid())\nwhile True: time.sleep(60)\n"


def until(condition: Callable[[], T], patience: float = PATIENCE) -> T:
    """The first true value of ``condition``; fails when there is none in time."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


def lives(pid: int) -> bool:
    process = processes.read(pid)
    return process is not None and not process.ended


class Machine:
    """Everything below ``folder`` and below ``mark`` belongs to one test."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kp-", dir="/tmp"))
        self.runtime = self.folder / "run" / "r"
        self.log = self.folder / "keeper.log"
        self.mark = f"KEEPER_TEST={self.folder}"
        self.keepers: list[subprocess.Popen[bytes]] = []

    def start(self, script: str = IDLE, **config: Any) -> dict[str, Any]:
        """Starts a keeper whose host runs ``script``; what it said on the ready fd."""
        path = self.folder / "host.py"
        path.write_text(HOST + script)
        return self.run(
            {
                "runtime": str(self.runtime),
                "log": str(self.log),
                "host": [sys.executable, "-S", "-E", str(path), str(self.folder)],
                "mark": self.mark,
                **config,
            }
        )

    def run(self, config: dict[str, Any]) -> dict[str, Any]:
        """Starts a keeper with this very configuration."""
        path = self.folder / "keeper.json"
        path.write_text(json.dumps(config))
        reader, writer = os.pipe()
        command = [sys.executable, "-m", "sutazai.keeper", str(path), "--ready-fd", str(writer)]
        self.keepers.append(subprocess.Popen(command, pass_fds=(writer,), start_new_session=True))
        os.close(writer)
        with open(reader, "rb") as ready:
            answer = json.loads(ready.read())
        assert isinstance(answer, dict)
        return answer

    @property
    def keeper(self) -> subprocess.Popen[bytes]:
        return self.keepers[-1]

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(str(self.runtime / "keeper.sock"))
        return sock

    def ask(self, op: str, **request: Any) -> dict[str, Any]:
        with self.connect() as sock:
            sock.sendall(json.dumps({"op": op, **request}).encode() + b"\n")
            return answer(sock)

    def listen(self, *listeners: dict[str, Any]) -> tuple[dict[str, Any], list[socket.socket]]:
        with self.connect() as sock:
            sock.sendall(json.dumps({"op": "listen", "listeners": listeners}).encode() + b"\n")
            data, fds, _, _ = socket.recv_fds(sock, 65536, 200)
            return json.loads(data), [socket.socket(fileno=fd) for fd in fds]

    def note(self, name: str) -> int:
        """The number that the host script noted under ``name``, once it has."""
        path = self.folder / name
        return until(lambda: int(path.read_text()) if path.exists() else 0)

    def journal(self) -> list[dict[str, Any]]:
        lines = (self.runtime / "exits.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def journalled(self, pid: int) -> dict[str, Any]:
        """How the process ``pid`` ended, once the keeper has written it down."""
        [line] = until(lambda: [line for line in self.journal() if line["pid"] == pid])
        return line

    def marked(self) -> list[int]:
        """All living processes that carry the mark."""
        return [pid for pid in processes.pids() if processes.carries(pid, self.mark) and lives(pid)]

    def clear(self) -> None:
        """Ends and removes what the test left."""
        for keeper in self.keepers:
            keeper.kill()
            keeper.wait()
        until(self._kill_marked)
        shutil.rmtree(self.folder)

    def _kill_marked(self) -> bool:
        left = self.marked()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return not left


def answer(sock: socket.socket) -> dict[str, Any]:
    """One line from the keeper."""
    data = b""
    while not data.endswith(b"\n"):
        chunk = sock.recv(65536)
        assert chunk, "the keeper closed without an answer"
        data += chunk
    value = json.loads(data)
    assert isinstance(value, dict)
    return value
