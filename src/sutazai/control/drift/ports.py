"""Who listens on the fleet's ports and is not of the fleet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from sutazai.control.settings import Settings
from sutazai.fleet.spec import Runtime
from sutazai.gateway.sockets import PROC, Socket, State, holders, process_ids, read_sockets
from sutazai.observe.drift.outside import Stranger


def registered(settings: Settings) -> dict[int, str]:
    """Every port of the fleet, with whose it is. What a container's engine listens on is left out:
    nobody can tell its listener from a stranger's."""
    ports, fleet = settings.config.ports, settings.fleet
    house = {ports.control: "control", ports.gateway: "gateway"}
    if ports.web is not None:
        house[ports.web] = "dashboard"
    agents = {agent.port: name for name, agent in fleet.agents.items() if agent.port is not None}
    services = {
        service.port: name
        for name, service in fleet.services.items()
        if service.enabled and service.port is not None and service.runtime is Runtime.COMMAND
    }
    return {**agents, **services, **house}


class PortWatch:
    """Looks at the kernel's table of listeners; whose a new one is, is found out once."""

    def __init__(self, ports: Collection[int], proc: Path = PROC) -> None:
        self._ports = ports
        self._proc = proc
        self._known: dict[str, Stranger | None] = {}

    def look(self, ours: Collection[int]) -> tuple[Stranger, ...]:
        """Strangers on the ports: who neither is one of ``ours`` nor comes from one. Blocks."""
        listening = {
            each.inode: each
            for each in read_sockets(self._ports, self._proc)
            if each.state is State.LISTENING and each.local[1] in self._ports
        }
        self._learn(listening, ours)
        found = (self._known[inode] for inode in listening)
        return tuple(each for each in found if each is not None)

    def _learn(self, listening: Mapping[str, Socket], ours: Collection[int]) -> None:
        """Strangers are looked at every time: an instance of ours may be known only later."""
        self._known = {
            inode: None
            for inode, known in self._known.items()
            if inode in listening and known is None
        }
        new = {inode for inode in listening if inode not in self._known}
        owners = holders(new, process_ids(self._proc), self._proc) if new else {}
        for inode in new:
            pid = owners.get(inode)
            strange = pid is None or not self._is_of(pid, ours)
            self._known[inode] = self._stranger(listening[inode], pid) if strange else None

    def _is_of(self, pid: int, ours: Collection[int]) -> bool:
        return any(each in ours for each in _line(pid, self._proc))

    def _stranger(self, there: Socket, pid: int | None) -> Stranger:
        host, port = there.local
        return Stranger(port, host, pid, "" if pid is None else _command(pid, self._proc))


def _line(pid: int, proc: Path) -> Iterator[int]:
    """A process and those that it comes from."""
    while pid > 0:
        yield pid
        pid = parent_of(pid, proc)


def parent_of(pid: int, proc: Path = PROC) -> int:
    """The process that a process comes from; 0 where there is none or it is gone."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _command(pid: int, proc: Path) -> str:
    try:
        words = (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return words.replace(b"\0", b" ").decode(errors="replace").strip()
