"""TCP sockets of this machine and who holds them, read from `/proc`. No privileges are needed;
what another user's processes hold stays unknown then. Elsewhere than on Linux nothing is found.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PROC = Path("/proc")

Endpoint = tuple[str, int]
"""An IP address as text, and a port."""

_SOCKET = re.compile(r"socket:\[([0-9]+)\]")
_TABLES = ("net/tcp", "net/tcp6")
_FAMILIES = {4: socket.AF_INET, 16: socket.AF_INET6}
"""By the length of an address."""
_MAPPED = bytes.fromhex("00000000000000000000ffff")


class State(StrEnum):
    """States of a socket as the kernel's tables write them; others do not matter here."""

    ESTABLISHED = "01"
    LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Socket:
    """One end of a TCP connection, or a listening socket. ``inode`` is what its holder has open."""

    state: State
    local: Endpoint
    remote: Endpoint
    uid: int
    inode: str


def read_sockets(ports: Collection[int], proc: Path = PROC) -> list[Socket]:
    """Listening and established sockets with one of ``ports`` at either end."""
    found: list[Socket] = []
    for table in _TABLES:
        try:
            found += parse_sockets((proc / table).read_text("ascii", "replace"), ports)
        except OSError:
            continue  # no such table: no IPv6, or no Linux
    return found


def parse_sockets(table: str, ports: Collection[int]) -> Iterator[Socket]:
    """The sockets in ``table`` (`/proc/net/tcp` or `tcp6`) with one of ``ports`` at either end."""
    wanted = {f"{port:04X}" for port in ports}
    for line in table.splitlines()[1:]:
        words = line.split()
        if wanted.isdisjoint(word[-4:] for word in words[1:3]):
            continue
        if (found := _parsed(words)) is not None:
            yield found


def holders(inodes: Collection[str], processes: Iterable[int], proc: Path = PROC) -> dict[str, int]:
    """Which of ``processes`` holds each socket, of several the first; stops once all are found."""
    found: dict[str, int] = {}
    for pid in processes:
        if len(found) == len(inodes):
            break
        for inode in held(pid, proc).intersection(inodes):
            found.setdefault(inode, pid)
    return found


def held(pid: int | str, proc: Path = PROC) -> set[str]:
    """Inodes of the sockets that a process has open; none where it is gone or another user's."""
    folder = proc / str(pid) / "fd"
    found = set()
    for name in _entries(folder):
        try:
            match = _SOCKET.fullmatch(os.readlink(folder / name))
        except OSError:
            continue  # closed meanwhile
        if match:
            found.add(match[1])
    return found


def process_ids(proc: Path = PROC) -> list[int]:
    """Every process that can be seen, oldest first as far as their numbers tell."""
    return sorted(int(name) for name in _entries(proc) if name.isdecimal())


def words_of(pid: int, proc: Path = PROC) -> list[str]:
    """The command line of a process; nothing where it is gone."""
    text = _read(proc / str(pid) / "cmdline").decode(errors="replace")
    return text.rstrip("\0").split("\0") if text else []


def name_of(pid: int, proc: Path = PROC) -> str:
    """The short name that a process goes by; agents have that of their instance."""
    return _read(proc / str(pid) / "comm").decode(errors="replace").strip()


def environment_of(pid: int, proc: Path = PROC) -> dict[str, str] | None:
    """What a process was started with; None where that may not be read."""
    try:
        content = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    pairs = (word.partition("=") for word in content.decode(errors="replace").split("\0"))
    return {name: value for name, sign, value in pairs if sign}


def _parsed(words: list[str]) -> Socket | None:
    if len(words) < 10 or words[3] not in State.__members__.values():
        return None
    local, remote = _endpoint(words[1]), _endpoint(words[2])
    if local is None or remote is None or not words[7].isdecimal():
        return None
    return Socket(State(words[3]), local, remote, int(words[7]), words[9])


def _endpoint(text: str) -> Endpoint | None:
    """From ``0100007F:2CAA``: words of four bytes in the machine's order, and the port."""
    address, _, port = text.partition(":")
    try:
        packed, number = bytes.fromhex(address), int(port, 16)
    except ValueError:
        return None
    step = -1 if sys.byteorder == "little" else 1
    told = b"".join(packed[start : start + 4][::step] for start in range(0, len(packed), 4))
    # A server that listens on IPv6 sees those who call by IPv4 as ::ffff:127.0.0.1.
    told = told.removeprefix(_MAPPED)
    family = _FAMILIES.get(len(told))
    return None if family is None else (socket.inet_ntop(family, told), number)


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
