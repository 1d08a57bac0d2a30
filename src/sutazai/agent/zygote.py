"""The zygote: a single-threaded process that has imported the SDK once and forks instances.

It reads requests from a SEQPACKET socket to its host, one JSON message each with the output and,
for an agent, the listening socket, and ends when the host does. An agent goes on in the fork; a
command replaces it by its program. Each is forked twice, so that it belongs to the keeper (the
nearest subreaper) and neither the zygote's nor the host's death touches it. The new process answers
the host itself, with a pidfd, so there is no moment in which its id could mean somebody else.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any

from sutazai.agent import process
from sutazai.agent.identity import Identity
from sutazai.agent.rehearsal import rehearse
from sutazai.fleet.errors import SutazaiError

REQUEST_MAX = 192 * 1024


def main() -> None:
    """Serves on the socket of the number in the first argument; the second is a folder to use."""
    host = socket.socket(fileno=int(sys.argv[1]))
    _name_process("zygote")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rehearse(sys.argv[2])
    _freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(host, REQUEST_MAX, 2)
        if not message:
            return
        _fork(host, message, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _freeze() -> None:
    """Puts all that is imported out of the collector's reach, so that forks go on sharing it."""
    if threading.active_count() != 1:
        raise SutazaiError("an import started a thread: instances cannot be forked from here")
    gc.collect()
    gc.freeze()
    gc.disable()


def _fork(host: socket.socket, message: bytes, descriptors: list[int]) -> None:
    # The message is read in the fork: what the zygote itself writes to between two forks is memory
    # that no instance shares.
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return
    # Nothing may leave this branch: both processes in it end by _exit.
    try:
        if not os.fork():
            os._exit(_instance(host, json.loads(message), descriptors))
    finally:
        os._exit(0)


def _instance(host: socket.socket, request: Mapping[str, Any], descriptors: list[int]) -> int:
    """The life of the new process; its exit status."""
    try:
        os.setsid()  # leads a group of its own, so that all of it can be ended together
        output, *listeners = descriptors
        _redirect(output)
        try:
            _submit(request["confines"])
        finally:  # refused or not, its host waits for it
            _introduce(host, request["id"])
        _enter(request)
        if request["command"]:
            return _execute(request["command"])
        gc.enable()
        identity = Identity.from_options(
            request["options"],
            instance=request["instance"],
            entry=request["entry"],
            key=request["environment"].get("SUTAZAI_KEY", ""),
        )
        process.run(identity, socket.socket(fileno=listeners[0]))
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 1
    except SutazaiError as error:
        print(f"ERROR {error.message}. {error.hint or ''}", file=sys.stderr, flush=True)
        return 1
    except BaseException:  # noqa: BLE001 (the end of the process: all is said in its log)
        traceback.print_exc()
        return 1
    return 0


def _submit(confines: Mapping[str, Any]) -> None:
    """Enters its control groups and takes on its limits, before anything of its own runs."""
    for door in confines["doors"]:
        try:
            descriptor = os.open(door, os.O_WRONLY)
            os.write(descriptor, str(os.getpid()).encode())
            os.close(descriptor)
        except OSError as error:
            raise SutazaiError(f"the way into {door} is closed: {error.strerror}") from error
    if (most := confines["open_files"]) is not None:
        bounds = resource.getrlimit(resource.RLIMIT_NOFILE)
        soft, hard = (most if bound < 0 else min(bound, most) for bound in bounds)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _introduce(host: socket.socket, request: int) -> None:
    pidfd = os.pidfd_open(os.getpid())
    with open("/proc/self/stat") as stat:
        start_time = int(stat.read().rpartition(")")[2].split()[19])
    answer = {"id": request, "pid": os.getpid(), "start_time": start_time}
    socket.send_fds(host, [json.dumps(answer).encode()], [pidfd])
    os.close(pidfd)
    host.close()


def _enter(request: Mapping[str, Any]) -> None:
    """Takes on the instance's name, environment and working folder."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _name_process(request["instance"])
    os.environ.update(request["environment"])
    if directory := request.get("directory"):
        os.chdir(directory)
        sys.path.insert(0, directory)


def _execute(command: list[str]) -> int:
    """Becomes another program; returns only where that cannot be."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, a program expects them
    try:
        os.execvp(command[0], command)  # noqa: S606 (no shell is what we want)
    except OSError as error:
        print(f"ERROR cannot start {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
    return 127


def _redirect(output: int) -> None:
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def _name_process(name: str) -> None:
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as comm:
        comm.write(name[:15])


if __name__ == "__main__":
    main()
