"""What a new process gives up before anything of the instance runs in it, and cannot take back.

In this order, for each step takes the rights that the next one needs: it enters its namespaces,
becomes its user, drops capabilities and the way to new privileges, and goes behind Landlock.
Standard library alone, for the zygote holds it.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterable
from dataclasses import dataclass, field

from sutazai.agent.landlock import Fence, enclose
from sutazai.fleet.errors import SutazaiError

_SET_DUMPABLE, _SET_NO_NEW_PRIVS = 4, 38
_CAPABILITIES_3 = 0x20080522

HARMLESS = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31)
"""What root keeps where it cannot be another user: what a container gives it as well (files and
users, ports below 1024, raw sockets), and nothing of the machine or of others' memory."""

_libc = ctypes.CDLL(None, use_errno=True)
_setns, _prctl, _capget, _capset = _libc.setns, _libc.prctl, _libc.capget, _libc.capset
_Header, _Sets = ctypes.c_uint32 * 2, ctypes.c_uint32 * 6
# Both are made once, in the zygote: a type takes each instance 20 KiB.


@dataclass(frozen=True, kw_only=True)
class Walls:
    """What stands around one process.

    Args:
        namespaces: files that stand for the namespaces that it enters, in this order.
        uid: whom it becomes; None, and it stays who it is.
        groups: its groups, the first one its own; of use with ``uid`` alone.
        landlock: whether a Landlock domain of its own keeps it from others' memory and signals.
        fence: what that domain lets it reach.
    """

    namespaces: tuple[str, ...] = ()
    uid: int | None = None
    groups: tuple[int, ...] = ()
    landlock: bool = False
    fence: Fence = field(default_factory=Fence)


def pin(cores: Iterable[int]) -> None:
    """Runs on these cores alone; on all where one of them is missing, for the set was meant for
    another machine."""
    wanted = set(cores)
    if wanted and wanted <= os.sched_getaffinity(0):
        os.sched_setaffinity(0, wanted)


def confine(walls: Walls) -> None:
    """Puts this process, which has one thread, behind ``walls``. Raises SutazaiError."""
    try:
        _enter(walls.namespaces)
        if walls.uid is not None:
            _become(walls.uid, walls.groups)
        _keep_capabilities(() if os.geteuid() else HARMLESS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _control(_SET_NO_NEW_PRIVS)
        # A change of user makes a process unreadable for its own user too, and so for a host that
        # is not root, which measures it and finds it by its mark.
        _control(_SET_DUMPABLE)
        if walls.landlock:
            enclose(walls.fence)
    except OSError as error:
        what = f" ({error.filename})" if error.filename else ""
        raise SutazaiError(f"the isolation cannot be had: {error.strerror}{what}") from error


def _enter(namespaces: Iterable[str]) -> None:
    # All are opened before the first is entered: from within they cannot be reached any more.
    opened = [os.open(namespace, os.O_RDONLY | os.O_CLOEXEC) for namespace in namespaces]
    for descriptor in opened:
        _checked(_setns(descriptor, 0), "setns")
        os.close(descriptor)


def _become(uid: int, groups: tuple[int, ...]) -> None:
    os.setgroups(groups)
    os.setresgid(groups[0], groups[0], groups[0])
    os.setresuid(uid, uid, uid)


def _keep_capabilities(numbers: Iterable[int]) -> None:
    """Keeps of its capabilities no others. Whoever enters their own user namespace has all there.

    What a process has not, no program that it becomes has either: it gains no new privileges.
    """
    header = _Header(_CAPABILITIES_3, 0)
    now = _Sets()  # effective, permitted, inheritable; then their upper halves
    _checked(_capget(header, now), "capget")
    kept = now[1] & sum(1 << number for number in numbers)
    _checked(_capset(header, _Sets(kept, kept, 0, 0, 0, 0)), "capset")


def _control(option: int) -> None:
    _checked(_prctl(option, 1, 0, 0, 0), "prctl")


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
