"""Starts the real embedded server as a process, as a host does."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sutazai.wire import Address, Client, ClientResponse, Timeout

READY_WITHIN = 90.0
SLOTS, CONTEXT = 2, 256
PATIENT = Timeout(headers=30.0, idle=30.0)

Json = dict[str, Any]


def command(path: Path, *more: str) -> list[str]:
    """``more`` overrides the options before it."""
    options = ["--socket", str(path), "--threads", "2", "--slots", str(SLOTS)]
    options += ["--context", str(CONTEXT), "--prompt-cache", "64MiB"]
    return [sys.executable, "-m", "sutazai.llm", "serve", *options, *more]


def refused(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A server that does not come up."""
    return subprocess.run(
        command(path, *more), capture_output=True, text=True, timeout=READY_WITHIN, check=False
    )


@dataclass(frozen=True)
class Serving:
    """One running server."""

    process: subprocess.Popen[bytes]
    path: Path

    @property
    def address(self) -> Address:
        return Address.parse(f"unix:{self.path}")

    async def post(self, client: Client, target: str, value: Json) -> ClientResponse:
        headers = [("content-type", "application/json")]
        body = json.dumps(value).encode()
        return await client.request(
            "POST", self.address, target, headers=headers, body=body, timeout=PATIENT
        )

    async def chat(self, client: Client, text: str, **more: Any) -> ClientResponse:
        messages = [{"role": "user", "content": text}]
        value = {"messages": messages, "max_tokens": 16, "temperature": 0, **more}
        return await self.post(client, "/v1/chat/completions", value)


@contextmanager
def serving(path: Path, *more: str) -> Iterator[Serving]:
    """A server that is ready; killed in the end if it still runs."""
    with subprocess.Popen(command(path, *more)) as process:
        try:
            _wait_until_ready(process, path)
            yield Serving(process, path)
        finally:
            process.kill()


def _wait_until_ready(process: subprocess.Popen[bytes], path: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not (_healthy(path) and _heeds_signals(process.pid)):
        assert process.poll() is None, f"the server ended with {process.returncode}"
        assert time.monotonic() < deadline, "the server is not ready in time"
        time.sleep(0.02)


def _heeds_signals(pid: int) -> bool:
    """Whether it has come to where it ends by itself, which is a moment after it is healthy."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt:")).split()[1]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def _healthy(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5.0)
        try:
            probe.connect(str(path))
            probe.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return probe.recv(12) == b"HTTP/1.1 200"
        except (FileNotFoundError, ConnectionError, TimeoutError):
            return False
