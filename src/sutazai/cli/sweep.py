"""Ends every process of a fleet whose keeper is no more there to do it.

Each process of a fleet carries a mark, an environment variable that its children inherit, so none
can hide by changing its parent or its session. People export variables in their shells too, so
whatever has a terminal, and the sessions of this process and of its ancestors, are left alone, by
the same rule as the keeper's. Processes are held by pidfd: a number that the kernel gave to
somebody else meanwhile is never signalled.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sutazai.fleet.errors import Failed
from sutazai.fleet.places import Places

MARK = "SUTAZAI_MARK"
"""Variable by which the processes of a fleet are known.

Its value is the state folder. It is not ``SUTAZAI_STATE``, which people export in their shells.
"""

GRACE = 5.0
KILL_GRACE = 2.0
ROUNDS = 5


@dataclass(frozen=True)
class Found:
    """A living process that carries the mark; ``descriptor`` is its pidfd, owned by the finder."""

    pid: int
    descriptor: int


def mark_of(places: Places) -> str:
    """``NAME=value`` as it stands in the environment of every process of this fleet."""
    return f"{MARK}={places.state}"


def sweep(mark: str, *, grace: float = GRACE, tick: Callable[[], None] = lambda: None) -> int:
    """End every process that carries ``mark``; returns how many there were.

    They get SIGTERM, ``grace`` seconds, then SIGKILL; what they start meanwhile is found by
    looking again. Raises Failed if some survive.
    """
    ended = 0
    for _ in range(ROUNDS):
        with _Held(mark) as found:
            if not found:
                return ended
            ended += len(found)
            _end(found, grace, tick)
    survivors = marked(mark)
    if survivors:
        raise Failed(
            f"{len(survivors)} processes could not be ended: {', '.join(map(str, survivors))}",
            pids=survivors,
        )
    return ended


def marked(mark: str) -> list[int]:
    """Process ids of all that carry ``mark`` (``NAME=value``) and belong to no person."""
    spared = _sessions_of_people()
    return [pid for pid in _pids() if _carries(pid, mark) and not _belongs_to(pid, spared)]


def wait_for_end(pid: int, seconds: float, tick: Callable[[], None] = lambda: None) -> bool:
    """Whether process ``pid`` is gone within ``seconds``."""
    descriptor = _pidfd(pid)
    if descriptor is None:
        return True
    try:
        return not _alive_after([Found(pid, descriptor)], seconds, tick)
    finally:
        os.close(descriptor)


class _Held:
    """The marked processes of this moment, their pidfds closed at the end."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._found: list[Found] = []

    def __enter__(self) -> list[Found]:
        for pid in marked(self._mark):
            descriptor = _pidfd(pid)
            if descriptor is None:
                continue
            self._found.append(Found(pid, descriptor))
        # Looked at again with the pidfd in hand: the number may have changed its owner.
        return [found for found in self._found if _carries(found.pid, self._mark)]

    def __exit__(self, *_: object) -> None:
        for found in self._found:
            os.close(found.descriptor)


def _end(found: list[Found], grace: float, tick: Callable[[], None]) -> None:
    _signal(found, signal.SIGTERM)
    left = _alive_after(found, grace, tick)
    _signal(left, signal.SIGKILL)
    _alive_after(left, KILL_GRACE, tick)


def _signal(found: list[Found], number: signal.Signals) -> None:
    for process in found:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process.descriptor, number)
            # A stopped process hears SIGTERM only once it goes on.
            signal.pidfd_send_signal(process.descriptor, signal.SIGCONT)


def _alive_after(found: list[Found], seconds: float, tick: Callable[[], None]) -> list[Found]:
    """Those of ``found`` that still live after ``seconds``; returns as soon as none does."""
    until = time.monotonic() + seconds
    left = {process.descriptor: process for process in found}
    poll = select.poll()
    for descriptor in left:
        poll.register(descriptor, select.POLLIN)
    while left and (rest := until - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(min(200.0, rest * 1000)):
            poll.unregister(descriptor)
            del left[descriptor]
        tick()
    return list(left.values())


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _carries(pid: int, mark: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone, or somebody else's: then it is none of ours
        return False
    return os.fsencode(mark) in environment.split(b"\0")


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


@dataclass(frozen=True)
class _Stat:
    """From ``/proc/PID/stat``; ``terminal`` is 0 without a controlling terminal."""

    parent: int
    session: int
    terminal: int


def _stat(pid: int) -> _Stat | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name in parentheses may itself hold spaces and parentheses.
    fields = line.rpartition(")")[2].split()
    return _Stat(parent=int(fields[1]), session=int(fields[3]), terminal=int(fields[4]))


def _sessions_of_people() -> set[int]:
    """The sessions of this process and of its ancestors."""
    sessions = set()
    pid = os.getpid()
    while pid and (stat := _stat(pid)) is not None:
        sessions.add(stat.session)
        pid = stat.parent
    return sessions


def _belongs_to(pid: int, sessions: set[int]) -> bool:
    stat = _stat(pid)
    return stat is None or stat.terminal != 0 or stat.session in sessions
