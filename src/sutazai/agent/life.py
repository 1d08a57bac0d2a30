"""The life of a process that was forked from a zygote: an agent, a program, or another zygote.

It takes on its limits and tells its host who it is before anything of its own runs. Files of the
kernel are read and written without Python's file objects, which would cost each instance 300 KiB.
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
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sutazai.agent import process
from sutazai.agent.confinement import Walls, confine, pin
from sutazai.agent.identity import Identity
from sutazai.agent.interpreter import command_of
from sutazai.agent.landlock import Fence
from sutazai.fleet.errors import SutazaiError

Request = Mapping[str, Any]
"""A ``Launch`` of the host, with the request's ``id``."""

ALONE = "sutazai.agent.alone"
STAT_MAX = 4096


def begin(
    host: socket.socket,
    request: Request,
    descriptors: list[int],
    hatch: Callable[[socket.socket, str], None],
) -> int:
    """Lives as ``request`` says; the exit status.

    ``descriptors`` are the doors of its control groups, then its output, then, for an agent or a
    zygote, the socket that it serves on; ``hatch`` makes a zygote of this process.
    """
    doors, (output, *sockets) = descriptors[: request["doors"]], descriptors[request["doors"] :]
    os.setsid()  # leads a group of its own, so that all of it can be ended together
    _redirect(output)
    name_process(request["instance"])
    try:
        _submit(request["confines"], doors)
    except SutazaiError as error:
        _say(error)
        return 1
    finally:  # refused or not, its host waits for it
        _introduce(host, request["id"])
    return _go_on(request, sockets, hatch)


def live(request: Request, listener: socket.socket) -> int:
    """Serves as the agent of ``request``; the exit status."""
    try:
        _find_code(request)
        identity = Identity.from_options(
            request["options"],
            instance=request["instance"],
            entry=request["entry"],
            key=request["environment"].get("SUTAZAI_KEY", ""),
        )
        process.run(identity, listener)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 1
    except SutazaiError as error:
        _say(error)
        return 1
    except BaseException:  # noqa: BLE001 (the end of the process: all is said in its log)
        traceback.print_exc()
        return 1
    return 0


def name_process(name: str) -> None:
    """What `ps` and `top` show of it."""
    with contextlib.suppress(OSError):
        comm = os.open("/proc/self/comm", os.O_WRONLY)
        os.write(comm, name[:15].encode())
        os.close(comm)


def _go_on(
    request: Request, sockets: list[int], hatch: Callable[[socket.socket, str], None]
) -> int:
    try:
        _enter(request)
    except OSError as error:
        print(f"ERROR {error.strerror}: {error.filename}", file=sys.stderr, flush=True)
        return 1
    if request["command"]:
        return _execute(request["command"])
    if request["alone"]:
        return _live_alone(request, sockets[0])
    if request["preload"]:
        _find_code(request)
        hatch(socket.socket(fileno=sockets[0]), request["preload"])
        return 0
    gc.enable()
    return live(request, socket.socket(fileno=sockets[0]))


def _submit(confines: Mapping[str, Any], doors: Iterable[int]) -> None:
    """Takes on its limits and goes behind its walls, before anything of its own runs."""
    for descriptor in doors:
        try:
            os.write(descriptor, b"0")  # whoever writes it
        except OSError as error:
            raise SutazaiError(f"the way into a control group is closed: {error}") from error
        os.close(descriptor)
    if (most := confines["open_files"]) is not None:
        bounds = resource.getrlimit(resource.RLIMIT_NOFILE)
        soft, hard = (most if bound < 0 else min(bound, most) for bound in bounds)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    pin(confines["cores"])
    if (walls := confines["walls"]) is not None:
        confine(Walls(**{**walls, "fence": Fence(**walls["fence"])}))


def _introduce(host: socket.socket, request: int) -> None:
    pidfd = os.pidfd_open(os.getpid())
    stat = os.open("/proc/self/stat", os.O_RDONLY)
    start_time = int(os.read(stat, STAT_MAX).rpartition(b")")[2].split()[19])
    os.close(stat)
    answer = b'{"id": %d, "pid": %d, "start_time": %d}' % (request, os.getpid(), start_time)
    handed = pidfd.to_bytes(4, sys.byteorder)
    host.sendmsg([answer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handed)])
    os.close(pidfd)
    host.close()


def _enter(request: Request) -> None:
    """Takes on the instance's environment and working folder."""
    for name, value in request["environment"].items():
        os.environ[name] = value  # `update` asks abstract classes, which costs each instance 50 KiB
    if directory := request["directory"]:
        os.chdir(directory)


def _find_code(request: Request) -> None:
    """What is imported is looked for in the agent's folder first, or where its code was kept."""
    folders = [folder for folder in (request["source"], request["directory"]) if folder]
    if sys.path[: len(folders)] != folders:
        sys.path[:0] = folders


def _live_alone(request: Request, listener: int) -> int:
    """Goes on in a fresh interpreter, which reads what it shall be from a file in memory."""
    described = os.memfd_create("request", 0)
    with open(described, "w", closefd=False) as file:
        json.dump(request, file)
    os.set_inheritable(listener, True)
    return _execute(command_of(sys.executable, ALONE, str(listener), str(described)))


def _execute(command: list[str]) -> int:
    """Becomes another program; returns only where that cannot be."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # we ignore them, a program expects them
    try:
        os.execvp(command[0], command)  # noqa: S606 (no shell is what we want)
    except OSError as error:
        print(f"ERROR cannot start {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
    return 127


def _redirect(output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def _say(error: SutazaiError) -> None:
    print(f"ERROR {error.message}. {error.hint or ''}", file=sys.stderr, flush=True)
