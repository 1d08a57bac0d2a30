"""The end of everything on this machine: the host in its own order first, then what is left."""

from __future__ import annotations

import os

from sutazai.keeper import log, processes, reaper
from sutazai.keeper.config import Config
from sutazai.keeper.ending import Ending, ours
from sutazai.keeper.errors import Failed
from sutazai.keeper.host import Host
from sutazai.keeper.processes import Process

LOOK_EVERY = 0.1
INSISTENCE = 10.0  # seconds in which whoever ignores SIGTERM is killed as often as we look


class Stop:
    """One end. ``step`` is to be called at ``due`` or sooner, until ``finished``.

    How long the host has for its own orderly stop, and the rest after it, says ``config``.
    """

    def __init__(self, host: Host, config: Config, now: float) -> None:
        self._host = host
        self._config = config
        self._requesters: set[int] = set()
        self._host_deadline = now + config.stop_timeout
        self._ending: Ending | None = None
        self._left: list[Process] = []
        self.due = now
        self.finished = False
        host.retire()

    def spare(self, requester: int) -> None:
        """``requester`` (a pid) asked for this end and must live to see it."""
        self._requesters.add(requester)

    def step(self, now: float) -> None:
        if self._ending is None:
            self._await_host(now)
        if self._ending is not None and now >= self.due:
            self._end_the_rest(self._ending, now)

    def result(self) -> Failed | None:
        """What to tell the requesters: None if nothing is left."""
        if not self._left:
            return None
        pids = [process.pid for process in self._left]
        return Failed(
            f"{len(pids)} processes cannot be ended: {', '.join(map(str, pids))}",
            hint="they are stuck in the kernel, as on a dead disk, or belong to another user",
            pids=pids,
        )

    def _await_host(self, now: float) -> None:
        if self._host.process is None or now >= self._host_deadline:
            if self._host.process is not None:
                log.say("the host did not stop in time")
            patience = self._config.end_timeout
            self._ending = Ending(now, patience=patience, insistence=INSISTENCE)
            self.due = now
        else:
            self.due = self._host_deadline

    def _end_the_rest(self, ending: Ending, now: float) -> None:
        self._left = self._look()
        for process, signals in ending.signals(now, self._left):
            processes.send(process, *signals)
        # The table of processes is not read at one moment, so a child that was just forked may be
        # missing from it. Whether there are children the kernel says exactly.
        empty = not self._left and reaper.childless()
        self.finished = empty or ending.given_up(now)
        self.due = now + LOOK_EVERY

    def _look(self) -> list[Process]:
        return ours(
            processes.table(),
            lambda pid: processes.carries(pid, self._config.mark),
            keeper=os.getpid(),
            requesters=self._requesters,
        )
