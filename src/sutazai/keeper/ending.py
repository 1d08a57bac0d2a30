"""Which processes are ours to end, and which signal each gets when. Pure: no /proc, no clock."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Iterable, Mapping

from sutazai.keeper.processes import Process

INIT = 1


def ours(
    table: Mapping[int, Process],
    carries_mark: Callable[[int], bool],
    *,
    keeper: int,
    requesters: Collection[int] = (),
) -> list[Process]:
    """Every living process that belongs to this fleet.

    That is each descendant of the keeper, and each process that carries the fleet's mark: it was
    left behind by a keeper that was killed. But people export variables in their shells, and the
    mark may be among them. So a process outside the keeper's tree is left alone if it has a
    terminal, or is one of the ancestors of the keeper or of whoever asked for the end
    (``requesters``), or lives in the session of one of those.
    """
    tree = descendants(table, keeper)
    spared = {INIT, keeper}.union(*(lineage(table, pid) for pid in (keeper, *requesters)))
    sessions = {table[pid].session for pid in spared if pid in table}

    def is_ours(process: Process) -> bool:
        if process.pid in tree:
            return True
        if process.pid in spared or process.session in sessions or process.terminal:
            return False
        return carries_mark(process.pid)

    return [process for process in table.values() if not process.ended and is_ours(process)]


def descendants(table: Mapping[int, Process], root: int) -> set[int]:
    """The pids of all processes below ``root``."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        fresh = set(children.get(waiting.pop(), ())) - found
        found |= fresh
        waiting += fresh
    return found


def lineage(table: Mapping[int, Process], pid: int) -> list[int]:
    """``pid`` and its ancestors, nearest first; empty if it is not there."""
    found: list[int] = []
    while pid in table and pid not in found:
        found.append(pid)
        pid = table[pid].parent
    return found


class Ending:
    """SIGTERM to each once, then SIGKILL to whoever is left, again and again for a while."""

    def __init__(self, now: float, *, patience: float, insistence: float) -> None:
        self._kill_at = now + patience
        self._give_up_at = self._kill_at + insistence
        self._asked: set[tuple[int, int]] = set()

    def signals(self, now: float, left: Iterable[Process]) -> list[tuple[Process, tuple[int, ...]]]:
        """What to send now to each of those that are left."""
        if now >= self._kill_at:
            return [(process, (signal.SIGKILL,)) for process in left]
        asked = [process for process in left if process.identity not in self._asked]
        self._asked |= {process.identity for process in asked}
        # A stopped process hears SIGTERM only once it goes on.
        return [(process, (signal.SIGTERM, signal.SIGCONT)) for process in asked]

    def given_up(self, now: float) -> bool:
        """There is no use in going on: whoever is left cannot be ended."""
        return now >= self._give_up_at
