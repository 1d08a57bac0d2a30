"""Who listens on an address, as far as /proc tells (of other users' processes root sees all)."""

from __future__ import annotations

import contextlib
import os
import socket
import sys

from sutazai.keeper import processes
from sutazai.keeper.config import ListenerSpec

_LISTENING = "0A"
_ANY = ("0" * 8, "0" * 32)


def holders(spec: ListenerSpec) -> list[int]:
    """The pids of all processes that hold a socket listening where ``spec`` wants to."""
    links = {f"socket:[{inode}]" for inode in _inodes(spec)}
    if not links:
        return []
    return [pid for pid in processes.pids() if links & _open_files(pid)]


def _inodes(spec: ListenerSpec) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue  # a machine without IPv6
        with open(table, encoding="ascii") as lines:
            next(lines)
            rows = (line.split() for line in lines)
            found |= {row[9] for row in rows if row[3] == _LISTENING and _clash(row[1], spec)}
    return found


def _clash(local: str, spec: ListenerSpec) -> bool:
    address, _, port = local.partition(":")
    wanted = _kernel_form(spec)
    return int(port, 16) == spec.port and (wanted in _ANY or address in (wanted, *_ANY))


def _kernel_form(spec: ListenerSpec) -> str:
    """The address as /proc/net/tcp writes it: words of four bytes in the machine's order."""
    packed = socket.inet_pton(spec.family, spec.host)
    step = -1 if sys.byteorder == "little" else 1
    words = (packed[start : start + 4][::step] for start in range(0, len(packed), 4))
    return b"".join(words).hex().upper()


def _open_files(pid: int) -> set[str]:
    """What its descriptors point to; empty if it is gone or another user's."""
    folder = f"/proc/{pid}/fd"
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.add(os.readlink(f"{folder}/{name}"))
    return found
