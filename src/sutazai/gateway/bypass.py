"""Programs that speak to a backend of this machine directly, past the gateway.

They take slots that the queue believes to be free, load models that others must then wait for, and
count in no budget. Found by both ends of their connections in `/proc/net/tcp`, named by who holds
the client's end. A program's environment is never looked at.

What cannot be seen: programs inside containers and, on WSL2, on the Windows side have their end of
the connection elsewhere; they show as an address, or not at all where a relay (docker-proxy,
wslrelay) calls on their behalf: then the relay is named. Nor does a program show that closes its
connection between two looks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sutazai.fleet.ports import local_port
from sutazai.gateway.sockets import (
    PROC,
    Socket,
    State,
    held,
    holders,
    name_of,
    process_ids,
    read_sockets,
    words_of,
)

log = logging.getLogger("sutazai.gateway")

EVERY = 60.0
"""Seconds between two looks that nobody asked for."""

FRESH = 2.0
"""Seconds for which one look serves all who ask."""

PATIENCE = 1.0
"""Seconds that the search for who holds a connection may take."""

SHOWN = 50
"""Programs of one backend that are named at most."""

COMMAND_MAX = 120

_SECRET = re.compile(r"(?i)((?:key|token|secret|passw(?:or)?d|bearer)[=:\s]\s*)\S+")
_OUR_OWN = frozenset({"sutazai.host", "sutazai.control", "sutazai.gateway", "sutazai.keeper"})
"""They ask servers whether they are well and what they have, and nothing that costs a token."""


@dataclass(frozen=True, slots=True)
class Direct:
    """One program past the gateway; ``pid`` is None and ``name`` a description where it is not
    to be seen. ``command`` is shortened, with what looks like a secret left out."""

    pid: int | None
    name: str
    command: str


Found = Mapping[int, tuple[Direct, ...]]
"""Programs by the port of the backend that they speak to."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The connections of one server: the clients' ends on this machine, and addresses of clients
    whose end is elsewhere."""

    here: tuple[Socket, ...]
    elsewhere: tuple[str, ...]


def clients_of(port: int, sockets: Iterable[Socket]) -> Ends:
    """Who is connected to the server that listens on ``port``.

    An end is a client's where the server's end of the same connection is there too: a socket with
    this port at the other side alone may be a connection to another machine's server.
    """
    established = [each for each in sockets if each.state is State.ESTABLISHED]
    accepted = {(each.remote, each.local) for each in established if each.local[1] == port}
    here = {(each.local, each.remote): each for each in established if each.remote[1] == port}
    elsewhere = sorted({client[0] for client, server in accepted if (client, server) not in here})
    mine = tuple(end for pair, end in here.items() if pair in accepted)
    return Ends(mine, tuple(elsewhere))


def look(ports: Collection[int], proc: Path = PROC, *, patience: float = PATIENCE) -> Found:
    """Who speaks to the servers on ``ports`` of this machine past this process. Blocks.

    Args:
        patience: seconds after which connections whose holder was not found yet are left out.
    """
    sockets = read_sockets(ports, proc)
    listening = {each.inode for each in sockets if each.state is State.LISTENING}
    ours = held("self", proc)
    ends = {port: clients_of(port, sockets) for port in ports}
    wanted = {end.inode for each in ends.values() for end in each.here} - ours
    search = _Search(proc, time.monotonic() + patience)
    # Also who listens: a server that calls itself passes nobody by.
    owners = holders(wanted | listening, search, proc) if wanted else {}
    servers = {owners[inode] for inode in listening if inode in owners}
    return {
        port: tuple(_named(each, ours, owners, servers, search, proc))
        for port, each in ends.items()
    }


def local_ports(addresses: Iterable[str]) -> frozenset[int]:
    """The TCP ports of backends on this machine, by their addresses in `wire` form."""
    ports = (local_port(address) for address in addresses if not address.startswith("unix:"))
    return frozenset(port for port in ports if port is not None)


class Bypass:
    """Looks in a thread, one look at a time.

    Args:
        ports: those of the backends that are on this machine now.
    """

    def __init__(
        self,
        ports: Callable[[], Collection[int]],
        *,
        proc: Path = PROC,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ports = ports
        self._proc = proc
        self._clock = clock
        self._looked = float("-inf")
        self._looked_at: frozenset[int] = frozenset()
        self._found: Found = {}
        self._told: set[tuple[int, Direct]] = set()
        self._one_at_a_time = asyncio.Lock()

    async def found(self) -> Found:
        """Who passes the gateway by now."""
        async with self._one_at_a_time:
            ports = frozenset(self._ports())
            if self._clock() - self._looked >= FRESH or ports != self._looked_at:
                self._found = await asyncio.to_thread(look, ports, self._proc) if ports else {}
                self._looked, self._looked_at = self._clock(), ports
                self._tell()
            return self._found

    async def run(self) -> None:
        """Looks now and then, and logs whoever is new, until cancelled."""
        while True:
            await self.found()
            await asyncio.sleep(EVERY)

    def _tell(self) -> None:
        now = {(port, direct) for port, programs in self._found.items() for direct in programs}
        for port, direct in sorted(now - self._told, key=str):
            log.warning(
                "%s (%s) speaks to the backend on port %d directly, past the gateway",
                direct.name,
                direct.command if direct.pid is None else f"process {direct.pid}",
                port,
            )
        self._told = now


class _Search:
    """Processes to search, until time is up. The newest first: servers are older than clients."""

    def __init__(self, proc: Path, until: float) -> None:
        self._proc = proc
        self._until = until
        self.complete = True

    def __iter__(self) -> Iterator[int]:
        for pid in reversed(process_ids(self._proc)):
            if time.monotonic() > self._until:
                self.complete = False
                return
            if pid != os.getpid():
                yield pid


def _named(
    ends: Ends,
    ours: Collection[str],
    owners: Mapping[str, int],
    servers: Collection[int],
    search: _Search,
    proc: Path,
) -> list[Direct]:
    """The programs behind ``ends``, each once."""
    found: dict[Direct, None] = {}
    for end in ends.here:
        pid = owners.get(end.inode)
        if end.inode in ours or pid in servers:
            continue
        if pid is not None:
            found.update(dict.fromkeys(_program(pid, proc)))
        elif search.complete and end.uid != os.geteuid():
            found[Direct(None, "another user's", f"user {_user(end.uid)}")] = None
    for address in ends.elsewhere:
        found[Direct(None, "not on this machine, or in a container", f"from {address}")] = None
    return list(found)[:SHOWN]


def _program(pid: int, proc: Path) -> Iterator[Direct]:
    """The program of a process; none for one of the house's own."""
    words = words_of(pid, proc)
    if not (words[1:2] == ["-m"] and _OUR_OWN.intersection(words[2:3])):
        yield Direct(pid, name_of(pid, proc) or "a process that ended", shortened(words))


def shortened(words: Sequence[str]) -> str:
    """A command line for people, without what looks like a secret."""
    text = _SECRET.sub(r"\1…", " ".join(words))
    shown = "".join(sign if sign.isprintable() else " " for sign in text).strip()
    return shown if len(shown) <= COMMAND_MAX else f"{shown[: COMMAND_MAX - 1]}…"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
