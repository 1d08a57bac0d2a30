"""Which way of holding limits this machine allows: version 2, else version 1, else none."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from pathlib import Path

from sutazai.fleet.spec import MIB
from sutazai.host.limits import folders
from sutazai.host.limits.accounting import Accounting
from sutazai.host.limits.folders import Folders, KernelFolders, write
from sutazai.host.limits.interface import Limit, Limits
from sutazai.host.limits.place import Place, read_place, write_place
from sutazai.host.limits.v1 import CONTROLLERS as CONTROLLERS_V1
from sutazai.host.limits.v2 import HOUSE
from sutazai.host.machine.cgroups import Groups, Writable, may_write, read_groups
from sutazai.host.machine.files import text
from sutazai.host.machine.reading import ROOT

CONTROLLERS_V2 = ("memory", "cpu", "pids")
TRIAL = "trial"
TRIAL_LIMIT = Limit(
    memory=64 * MIB, reservation=64 * MIB, weight=100, cores=1.0, processes=16, open_files=None
)
ENTERS = 'for door; do echo $$ > "$door" || exit 1; done'
"""What the process of the trial does."""
DELEGATED = ("user.delegate", "trusted.delegate")
"""What systemd writes to a group that it leaves to us as a whole."""


class Unusable(Exception):
    """Why a version cannot be used here, in words."""


def choose(
    name: str,
    record: Path,
    *,
    root: Path = ROOT,
    writable: Writable = may_write,
    kernel: Folders | None = None,
) -> Limits:
    """The best that there is for the fleet whose groups are called ``name``.

    A fleet stays where it was: what ``record`` names is used as long as it exists.
    """
    groups, system = read_groups(root), kernel or KernelFolders()
    known = read_place(record)
    if known is not None and known.exists:
        with contextlib.suppress(Unusable):
            return _settle(known, record, system)
    refused: list[str] = []
    for version in (_version_2, _version_1):
        try:
            place = version(groups, name, writable, system, "; ".join(refused))
            return _settle(place, record, system)
        except Unusable as reason:
            refused.append(str(reason))
    return Accounting(why="; ".join(refused))


def _settle(place: Place, record: Path, kernel: Folders) -> Limits:
    """Makes the fleet's own groups, noted before. Raises Unusable where they hold nobody."""
    write_place(record, place)
    try:
        for folder in place.parents.values():
            kernel.make(folder)
        if place.version == "v2":
            _switch_on(place.parents["memory"])
        limits = place.limits(kernel)
        _try(limits)
    except OSError as error:
        place.limits(kernel).close()
        record.unlink()
        raise Unusable(f"cgroup {place.version}: {error.strerror} ({error.filename})") from error
    return limits


def _try(limits: Limits) -> None:
    """Whether a process gets in and is held: the modes of files do not tell. Raises OSError."""
    try:
        doors = limits.create(TRIAL, TRIAL_LIMIT)
        command = ["sh", "-c", ENTERS, "sh", *doors]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise OSError(errno.EPERM, "no process may be moved there", doors[0])
    finally:
        limits.remove(TRIAL)


def _version_2(groups: Groups, name: str, writable: Writable, kernel: Folders, why: str) -> Place:
    if groups.unified is None:
        raise Unusable("cgroup v2: it is not mounted")
    own = groups.unified.folder
    base = own.parent if own.name == HOUSE else own
    shown = f"/{base.relative_to(groups.root)}"
    if "memory" not in _offered(base):
        raise Unusable("cgroup v2: no memory controller is delegated")
    if not all(map(writable, (base, base / folders.PROCESSES, base / "cgroup.subtree_control"))):
        raise Unusable(f"cgroup v2: {shown} is not delegated to this user")
    try:
        _switch_on_own(base, groups.unified.top, kernel)
    except OSError as error:
        raise Unusable(f"cgroup v2: {shown}: {error.strerror}") from error
    return Place(version="v2", parents={"memory": base / name}, why=why)


def _switch_on_own(base: Path, top: Path, kernel: Folders) -> None:
    """Lets groups below ours be limited, for which our own processes have to leave it.

    Raises OSError, also where processes are in it that are none of ours.
    """
    try:
        _switch_on(base)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        if base != top and not _is_ours(base):
            raise OSError(
                errno.EBUSY, "other programs run in it; systemd-run --user --scope "
                "-p Delegate=yes sutazai up gives the fleet a group of its own"
            ) from error  # fmt: skip
        _clear_out(base, kernel)
        _switch_on(base)


def _clear_out(base: Path, kernel: Folders) -> None:
    kernel.make(base / HOUSE)
    for pid in folders.members(base):
        with contextlib.suppress(ProcessLookupError):
            write(base / HOUSE / folders.PROCESSES, pid)


def _switch_on(group: Path) -> None:
    names = [name for name in CONTROLLERS_V2 if name in _offered(group)]
    write(group / "cgroup.subtree_control", " ".join(f"+{name}" for name in names))


def _offered(group: Path) -> list[str]:
    return text(group / "cgroup.controllers").split()


def _is_ours(group: Path) -> bool:
    """Whether systemd left the group to us with all that is in it."""
    for attribute in DELEGATED:
        with contextlib.suppress(OSError):
            if os.getxattr(group, attribute) == b"1":
                return True
    return False


def _version_1(groups: Groups, name: str, writable: Writable, kernel: Folders, why: str) -> Place:
    trees = [group for group in groups.separate if writable(group.folder)]
    parents = {
        controller: group.folder / name
        for group in trees
        for controller in group.controllers
        if controller in CONTROLLERS_V1
    }
    if "memory" in parents:
        return Place(version="v1", parents=parents, why=why)
    if any("memory" in group.controllers for group in groups.separate):
        raise Unusable("cgroup v1: its memory controller is not ours to write")
    raise Unusable("cgroup v1: it is not mounted with a memory controller")
