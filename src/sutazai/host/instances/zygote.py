"""The host's side of one zygote: asks it to fork, and starts another one when it died."""

from __future__ import annotations

import asyncio
import contextlib
import json
import marshal
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sutazai.agent.confinement import Walls
from sutazai.agent.interpreter import command_of
from sutazai.agent.preload import Fitness, Verdict
from sutazai.fleet.errors import Failed
from sutazai.host.instances.process import Process, ProcessId, boot_id

MODULE = "sutazai.agent.zygote"
FORK_DEADLINE = 10.0
START_DEADLINE = 30.0
ANSWER_MAX = 4096
FORM = 2
"""Version of Python's form in which no string is one that is there already, whose memory the new
process would otherwise share."""
ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "UV_USE_IO_URING": "0",
}
"""Numeric libraries must not start threads in a process that forks; an io_uring of its own costs
each instance 32 KiB and is of no use to it."""


_CREDENTIALS = struct.Struct("3i")  # process, user, group
_DESCRIPTOR = struct.Struct("i")
_ENDED = -1


@dataclass(frozen=True)
class Confines:
    """What a new process is held by: the ``doors`` of its control groups, files into which it
    writes a nought, how many files it may open at once, the ``cores`` it runs on (all where none
    is named), and what keeps it from others."""

    doors: tuple[str, ...] = ()
    open_files: int | None = None
    cores: tuple[int, ...] = ()
    walls: Walls | None = None


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a new process shall be: an agent (``entry``), a program (``command``), or another zygote
    (``preload``, the module that it imports). Code is looked for in ``source`` before its
    ``directory``.

    An agent goes on in the fork, or ``alone``, in an interpreter of its own.
    """

    instance: str
    entry: str | None
    command: tuple[str, ...]
    options: Mapping[str, Any]
    environment: Mapping[str, str]
    directory: str | None
    confines: Confines
    alone: bool = False
    preload: str | None = None
    source: str | None = None


Start = Callable[[socket.socket], Awaitable[Callable[[], None]]]
"""Gives a new zygote its end of the connection; what it returns ends that zygote."""


class Zygote:
    """Forks processes on request. One request after the other reaches it, in order."""

    def __init__(self, start: Start, *, patience: float = START_DEADLINE) -> None:
        self._start = start
        self._patience = patience
        self._beginning = asyncio.Lock()
        self._verdict: asyncio.Future[Verdict] | None = None
        self._kill: Callable[[], None] | None = None
        self._socket: socket.socket | None = None
        self._answers: dict[int, asyncio.Future[Process]] = {}
        self._requests = 0

    @property
    def is_ready(self) -> bool:
        """Whether it runs and has imported what it should."""
        return self._socket is not None and self._verdict is not None and self._verdict.done()

    async def begin(self) -> Verdict:
        """Starts it where it does not run, and waits until it is ready.

        Raises Failed where it dies or takes longer than its ``patience``.
        """
        async with self._beginning:
            if self._socket is None or self._verdict is None:
                self._verdict = await self._connect()
            try:
                async with asyncio.timeout(self._patience):
                    return await asyncio.shield(self._verdict)
            except TimeoutError as error:
                self._end("not ready in time")
                raise Failed(f"the zygote was not ready after {self._patience:g} s") from error

    async def launch(self, launch: Launch, descriptors: Sequence[int]) -> Process:
        """A new process. ``descriptors`` are its output and, but for a program, its socket.

        Raises Failed where the zygote died or did not answer; the next call starts another one.
        """
        await self.begin()
        with _opened(launch.confines.doors) as doors:
            request = {**asdict(launch), "doors": len(doors)}
            return await self._ask(request, [*doors, *descriptors])

    def close(self) -> None:
        """Ends the zygote; what it forked lives on."""
        self._end("it was closed")

    async def _ask(self, request: dict[str, Any], descriptors: Sequence[int]) -> Process:
        self._requests += 1
        number = self._requests
        answer: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            async with asyncio.timeout(FORK_DEADLINE):
                await self._send({"id": number, **request}, descriptors)
                return await answer
        except (TimeoutError, OSError) as error:
            self._end("did not fork in time")
            raise Failed("the zygote did not start a process in time") from error
        finally:
            self._answers.pop(number, None)

    async def _connect(self) -> asyncio.Future[Verdict]:
        """Starts the process; what it will say of itself."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        verdict: asyncio.Future[Verdict] = loop.create_future()
        self._socket, self._verdict = ours, verdict
        loop.add_reader(ours.fileno(), self._receive, ours)
        try:
            self._kill = await self._start(theirs)
        except BaseException:  # what was begun is ended, whatever came
            self._end("it could not be started")
            raise
        finally:
            theirs.close()
        return verdict

    async def _send(self, request: dict[str, Any], descriptors: Sequence[int]) -> None:
        message = marshal.dumps(request, FORM)
        while self._socket is not None:
            try:
                socket.send_fds(self._socket, [message], descriptors)
            except BlockingIOError:
                await asyncio.sleep(0.002)  # its queue is full; it works through it
            else:
                return
        raise Failed("the zygote is gone")

    def _receive(self, connection: socket.socket) -> None:
        try:
            message, descriptors, sender = _received(connection)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors, sender = b"", [], 0
        if not message:
            self._end("it died")
            return
        answer = json.loads(message)
        if "fitness" in answer:
            self._judge(Verdict(Fitness(answer["fitness"]), answer["reason"]))
        elif answer["pid"] == sender and {*map(_pid_of, descriptors)} <= {sender, _ENDED}:
            self._hand_over(answer, descriptors[0])
        else:  # it runs what agents' authors wrote: whom it names, we would kill one day
            for descriptor in descriptors:
                os.close(descriptor)
            self._end("it named a process that is not its own")

    def _judge(self, verdict: Verdict) -> None:
        if self._verdict is not None and not self._verdict.done():
            self._verdict.set_result(verdict)

    def _hand_over(self, answer: dict[str, Any], pidfd: int) -> None:
        future = self._answers.get(answer["id"])
        if future is None or future.done():
            _kill(pidfd)  # whoever asked is gone, so nobody would own it
        else:
            identity = ProcessId(answer["pid"], answer["start_time"], boot_id())
            future.set_result(Process(identity, pidfd))

    def _end(self, reason: str) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        if self._kill is not None:
            self._kill()
            self._kill = None
        if self._verdict is not None and not self._verdict.done():
            self._verdict.set_exception(Failed(f"the zygote is gone: {reason}"))
            self._verdict.exception()  # it may be that nobody waits for it any more
        for future in self._answers.values():
            if not future.done():
                future.set_exception(Failed(f"the zygote is gone: {reason}"))


def base_of(python: str | None, folder: Path) -> Start:
    """A zygote that has imported the SDK, in that interpreter or in ours."""

    async def start(theirs: socket.socket) -> Callable[[], None]:
        return partial(_end_child, _start_child(python, theirs, folder))

    return start


def child_of(parent: Zygote, launch: Launch) -> Start:
    """A zygote forked from another one, that has imported ``launch.preload`` too."""

    async def start(theirs: socket.socket) -> Callable[[], None]:
        process = await parent.launch(launch, [sys.stderr.fileno(), theirs.fileno()])
        return partial(process.signal, signal.SIGKILL)

    return start


def _within(python: str) -> dict[str, str]:
    """What programs find in their environment where a virtual one is active."""
    folder = Path(python).parent
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": f"{folder}{os.pathsep}{path}", "VIRTUAL_ENV": str(folder.parent)}


def _start_child(
    python: str | None, theirs: socket.socket, folder: Path
) -> subprocess.Popen[bytes]:
    arguments = (str(theirs.fileno()), str(folder))
    own = [sys.executable, "-u", "-m", MODULE, *arguments]
    return subprocess.Popen(
        own if python is None else command_of(python, MODULE, *arguments),
        pass_fds=[theirs.fileno()],
        env={**ENVIRONMENT, **os.environ, **(_within(python) if python else {})},
        stdin=subprocess.DEVNULL,
    )


def _end_child(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)


@contextlib.contextmanager
def _opened(doors: Sequence[str]) -> Iterator[list[int]]:
    """Descriptors through which a process enters its groups, whoever it is by then."""
    with contextlib.ExitStack() as opened:
        descriptors = []
        for door in doors:
            try:
                descriptor = os.open(door, os.O_WRONLY)
            except OSError as error:
                raise Failed(f"the way into {door} is closed: {error.strerror}") from error
            opened.callback(os.close, descriptor)
            descriptors.append(descriptor)
        yield descriptors


def _received(connection: socket.socket) -> tuple[bytes, list[int], int]:
    """A message, its descriptors, and the process that sent it by the kernel's word."""
    room = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(_DESCRIPTOR.size)
    message, parts, _, _ = connection.recvmsg(ANSWER_MAX, room)
    descriptors: list[int] = []
    sender = 0
    for _, kind, data in parts:
        if kind == socket.SCM_RIGHTS:
            descriptors += _DESCRIPTOR.unpack(data)
        elif kind == socket.SCM_CREDENTIALS:
            sender = _CREDENTIALS.unpack(data)[0]
    return message, descriptors, sender


def _pid_of(pidfd: int) -> int:
    """The process that a pidfd stands for; `_ENDED` where it has, 0 where it is no pidfd."""
    lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Pid:")), 0)


def _kill(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
