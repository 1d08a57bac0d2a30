"""Users of their own for units: numbers that nobody else on the machine has.

A fleet leases whole blocks of its range, one file each in a folder of the machine, and gives out
the numbers in them. Who has which is kept in its state folder: what a unit wrote stays its own. A
lease ends with the state folder that it names.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sutazai.fleet.files import replace_file
from sutazai.fleet.isolation import BLOCK

LEASES = Path("/var/lib/sutazai/uids")


@dataclass(frozen=True)
class Users:
    """The uid of each unit by name; ``why`` says why there are none."""

    uids: Mapping[str, int] = field(default_factory=dict)
    why: str = ""


def unit_users(file: Path, names: Iterable[str], within: range, *, leases: Path = LEASES) -> Users:
    """A uid for each of ``names``, those in ``file`` kept as far as they are within the range."""
    if os.geteuid():
        return Users(why="users of their own take root")
    if not _usable(within):
        return Users(why=f"users {within.start}-{within.stop - 1} do not exist in this container")
    try:
        leases.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _locked(leases):
            return Users(_assigned(file, sorted(names), within, leases))
    except OSError as error:
        return Users(why=f"no users can be leased: {error.strerror} ({error.filename})")


def _assigned(file: Path, names: list[str], within: range, leases: Path) -> dict[str, int]:
    """Those that are known, as long as they are ours and of use, and free ones for the others."""
    state, held = str(file.parent), _held(leases)
    known = _read(file)
    uids = {
        name: uid
        for name, uid in known.items()
        if uid in within
        and held.get(_block(uid, within), state) == state
        and (name in names or (file.parent / "homes" / name).exists())
    }
    for uid in uids.values():
        _hold(leases, _block(uid, within), state)  # as it was, should somebody have removed it
    taken = set(uids.values())
    free = (uid for uid in _leased(leases, within, state) if uid not in taken)
    for name in names:
        if name not in uids:
            uids[name] = next(free, 0)
            if not uids[name]:
                raise OSError(0, "all are taken", str(leases))
    if uids != known:
        replace_file(file, json.dumps(uids))
    return uids


def _leased(leases: Path, within: range, state: str) -> Iterator[int]:
    """The uids of our blocks, then those of free blocks, which become ours."""
    held = _held(leases)
    firsts = range(within.start, within.stop - BLOCK + 1, BLOCK)
    for first in firsts:
        if held.get(first) == state:
            yield from range(first, first + BLOCK)
    for first in firsts:
        if not any(first - BLOCK < other < first + BLOCK for other in held):
            _hold(leases, first, state)
            yield from range(first, first + BLOCK)


def _block(uid: int, within: range) -> int:
    return uid - (uid - within.start) % BLOCK


def _held(leases: Path) -> dict[int, str]:
    """The state folder of each fleet that has a block; leases of fleets that are gone end here."""
    held = {int(file.name): file.read_text() for file in leases.iterdir() if file.name.isdigit()}
    for first, state in list(held.items()):
        if not os.path.isdir(state):
            (leases / str(first)).unlink()
            del held[first]
    return held


def _hold(leases: Path, first: int, state: str) -> None:
    (leases / str(first)).write_text(state)


def _usable(within: range) -> bool:
    """Whether all these users exist here; in a container there may be few."""
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= within.start and within.stop <= first + count:
            return True
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(file: Path) -> dict[str, int]:
    try:
        value = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {name: uid for name, uid in value.items() if isinstance(uid, int)}
