"""The host's side of the zygote: asks it to fork, and starts another one when it died."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sutazai.fleet.errors import Failed
from sutazai.host.instances.process import Process, ProcessId, boot_id

MODULE = "sutazai.agent.zygote"
FORK_DEADLINE = 10.0
ANSWER_MAX = 4096
ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "UV_USE_IO_URING": "0",
}
"""Numeric libraries must not start threads in a process that forks; an io_uring of its own costs
each instance 32 KiB and is of no use to it."""


@dataclass(frozen=True)
class Confines:
    """What a new process is held by: the ``doors`` of its control groups, files into which it
    writes its own id, and how many files it may open at once."""

    doors: tuple[str, ...] = ()
    open_files: int | None = None


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a new process shall be: an agent (``entry``) or a program (``command``)."""

    instance: str
    entry: str | None
    command: tuple[str, ...]
    options: Mapping[str, Any]
    environment: Mapping[str, str]
    directory: str | None
    confines: Confines


class Zygote:
    """Forks processes on request. One request after the other reaches it, in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._answers: dict[int, asyncio.Future[Process]] = {}
        self._requests = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def launch(self, launch: Launch, output: int, listener: socket.socket | None) -> Process:
        """A new process that writes to ``output`` and, if an agent, serves on ``listener``.

        Raises Failed where the zygote died or did not answer; the next call starts another one.
        """
        descriptors = [output] if listener is None else [output, listener.fileno()]
        connection = self._running()
        self._requests += 1
        request = self._requests
        answer: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._answers[request] = answer
        try:
            async with asyncio.timeout(FORK_DEADLINE):
                await self._send(connection, {"id": request, **asdict(launch)}, descriptors)
                return await answer
        except (TimeoutError, OSError) as error:
            self._end("did not fork in time")
            raise Failed("the zygote did not start a process in time") from error
        finally:
            self._answers.pop(request, None)

    async def close(self) -> None:
        """Ends the zygote; what it forked lives on."""
        self._end("the host ends")

    def _running(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", MODULE, str(theirs.fileno()), self._folder],
            pass_fds=[theirs.fileno()],
            env={**ENVIRONMENT, **os.environ},
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._receive, ours)
        return ours

    async def _send(
        self, connection: socket.socket, request: dict[str, Any], descriptors: list[int]
    ) -> None:
        message = json.dumps(request).encode()
        while True:
            try:
                socket.send_fds(connection, [message], descriptors)
            except BlockingIOError:
                await asyncio.sleep(0.002)  # its queue is full; it works through it
            else:
                return

    def _receive(self, connection: socket.socket) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(connection, ANSWER_MAX, 1)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        if not message:
            self._end("it died")
            return
        answer = json.loads(message)
        future = self._answers.get(answer["id"])
        if future is None or future.done():
            _kill(descriptors[0])  # whoever asked is gone, so nobody would own it
        else:
            identity = ProcessId(answer["pid"], answer["start_time"], boot_id())
            future.set_result(Process(identity, descriptors[0]))

    def _end(self, reason: str) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
            self._process = None
        for future in self._answers.values():
            if not future.done():
                future.set_exception(Failed(f"the zygote is gone: {reason}"))


def _kill(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
