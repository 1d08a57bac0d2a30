"""Who listens on which TCP port, and what a process was started with."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sutazai.host.machine.facts import Listener
from sutazai.host.machine.files import text
from sutazai.host.machine.reading import ROOT

_LISTENING = "0A"
_SOCKET = re.compile(r"socket:\[([0-9]+)\]")


def read_listeners(root: Path = ROOT) -> tuple[Listener, ...]:
    """Every listening TCP socket of the machine, in the order of the ports."""
    sockets = dict(_sockets(root))
    owners = _owners(root, set(sockets))
    found = []
    for inode, (host, port) in sockets.items():
        pid = owners.get(inode)
        found.append(Listener(host, port, pid, _command(root, pid) if pid else ""))
    return tuple(sorted(found, key=lambda listener: (listener.port, listener.host)))


def environment_of(pid: int, root: Path = ROOT) -> dict[str, str] | None:
    """The environment that a process was started with; None where we may not see it."""
    try:
        content = (root / f"proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    pairs = (word.partition("=") for word in content.decode(errors="replace").split("\0"))
    return {name: value for name, sign, value in pairs if sign}


def _sockets(root: Path) -> Iterator[tuple[str, tuple[str, int]]]:
    """Inode and address of each listening socket."""
    for table in ("tcp", "tcp6"):
        for line in text(root / "proc/net" / table).splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == _LISTENING and (place := _address(words[1])):
                yield words[9], place


def _address(local: str) -> tuple[str, int] | None:
    """From ``0100007F:2774``: words of four bytes in the machine's order, and the port."""
    address, _, port = local.partition(":")
    try:
        packed, number = bytes.fromhex(address), int(port, 16)
        step = -1 if sys.byteorder == "little" else 1
        words = (packed[start : start + 4][::step] for start in range(0, len(packed), 4))
        return str(ipaddress.ip_address(b"".join(words))), number
    except ValueError:
        return None


def _owners(root: Path, inodes: set[str]) -> dict[str, int]:
    """The process that holds each socket; of several the oldest, which gave it to the others."""
    found: dict[str, int] = {}
    if not inodes:
        return found
    for pid in sorted(int(entry) for entry in _entries(root / "proc") if entry.isdecimal()):
        for inode in _held(root / f"proc/{pid}/fd") & inodes:
            found.setdefault(inode, pid)
    return found


def _held(folder: Path) -> set[str]:
    """Inodes of the sockets among a process's descriptors; none if it is gone or another's."""
    found = set()
    for name in _entries(folder):
        try:
            match = _SOCKET.fullmatch(os.readlink(folder / name))
        except OSError:
            continue  # closed meanwhile
        if match:
            found.add(match[1])
    return found


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _command(root: Path, pid: int) -> str:
    """The command line; the bare name for one that hides or changed its own."""
    words = text(root / f"proc/{pid}/cmdline").replace("\0", " ").strip()
    return words or text(root / f"proc/{pid}/comm").strip()
