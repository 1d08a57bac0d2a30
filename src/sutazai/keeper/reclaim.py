"""What a keeper that was killed left behind, where it stands in the way of the next one.

Its host goes on without it, and so does the gateway with its listening sockets. The new keeper
ends that host (by SIGKILL: asked politely it would stop every agent; the new host adopts them) and
whoever holds the ports that it needs (the new host starts it again). All others live on.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

from sutazai.keeper import host, log, processes, takers
from sutazai.keeper.config import ListenerSpec
from sutazai.keeper.ending import Ending, lineage
from sutazai.keeper.errors import Failed, PortTaken
from sutazai.keeper.linux import KEEPER_NAME
from sutazai.keeper.listeners import Listeners, port_taken
from sutazai.keeper.processes import Process

_LOOK_EVERY = 0.02
_KILL_PATIENCE = 5.0
_PORT_PATIENCE = 2.0  # a gateway lets go of its ports as soon as it is asked
_NOBODY_PATIENCE = 0.5  # a holder that is not found has just let go, or is hidden from us


def end_former_host(record: str, mark: str) -> None:
    """Ends the host of the keeper before us, if it still lives. Raises Failed if it cannot."""
    former = host.recorded(record)
    if former is None or not processes.carries(former.pid, mark):
        return
    log.say(f"ends the host that the last keeper left (pid {former.pid})")
    processes.send(former, signal.SIGKILL)
    deadline = time.monotonic() + _KILL_PATIENCE
    while host.recorded(record) is not None:
        if time.monotonic() > deadline:
            raise Failed(f"the host of an earlier keeper cannot be ended (pid {former.pid})")
        time.sleep(_LOOK_EVERY)


def bind_first(listeners: Listeners, specs: Sequence[ListenerSpec], mark: str) -> None:
    """Binds the configured listeners; ports that orphans of this fleet hold are freed.

    Raises PortTaken if somebody else holds one, or an orphan does not let go, and what
    ``Listeners.listen`` raises.
    """
    ending = Ending(time.monotonic(), patience=_PORT_PATIENCE, insistence=_KILL_PATIENCE)
    ours: set[tuple[int, int]] = set()
    found = time.monotonic()
    while True:
        try:
            listeners.listen(specs)
            return
        except PortTaken:
            orphans = _holding_orphans(specs, mark, ours)
            now = time.monotonic()
            found = now if orphans else found
            if ending.given_up(now) or now > found + _NOBODY_PATIENCE:
                raise
        for orphan, signals in ending.signals(now, orphans):
            log.say(f"ends {processes.program(orphan.pid)} (pid {orphan.pid}): it holds our port")
            processes.send(orphan, *signals)
        ours.update(orphan.identity for orphan in orphans)
        time.sleep(_LOOK_EVERY)


def _holding_orphans(
    specs: Sequence[ListenerSpec], mark: str, ours: set[tuple[int, int]]
) -> list[Process]:
    """Those that hold our ports. Raises PortTaken, and so ends nobody, if a stranger does too.

    ``ours`` were found to be orphans before: one that is just ending still has its sockets when its
    environment cannot be read any more.
    """
    table = processes.table()
    found: dict[int, Process] = {}
    for spec in specs:
        holders = [table[pid] for pid in takers.holders(spec) if pid in table]
        if not all(
            holder.identity in ours or _is_orphan(table, holder, mark) for holder in holders
        ):
            raise port_taken(spec)
        found.update({holder.pid: holder for holder in holders})
    return list(found.values())


def _is_orphan(table: dict[int, Process], process: Process, mark: str) -> bool:
    """It carries our mark, and no living keeper stands above it or is it."""
    if process.terminal or not processes.carries(process.pid, mark):
        return False
    return all(processes.program(above) != KEEPER_NAME for above in lineage(table, process.pid))
