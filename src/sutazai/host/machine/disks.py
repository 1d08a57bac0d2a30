"""What holds a path: how much room is left, and whether it is a file system of Windows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sutazai.host.machine.facts import Disk
from sutazai.host.machine.files import Mount, mounts
from sutazai.host.machine.reading import ROOT, read_system

# How WSL shows a Windows drive: its own name for it, or the protocol it is reached by.
_WINDOWS = frozenset({"drvfs", "9p", "virtiofs"})


def read_disk(path: Path, root: Path = ROOT) -> Disk:
    """What holds ``path``, or would hold it once it is made."""
    path = _existing(path.absolute()).resolve()
    usage = shutil.disk_usage(path)
    mount = _mount_of(path, root)
    kind = mount.kind if mount else ""
    windows = kind in _WINDOWS and read_system(root).wsl > 0
    return Disk(str(path), usage.total, usage.free, kind, windows)


def _existing(path: Path) -> Path:
    while not os.path.exists(path):  # also where we may not look
        path = path.parent
    return path


def _mount_of(path: Path, root: Path) -> Mount | None:
    """The innermost mount above ``path``; of several on one point the last, which covers them."""
    found: Mount | None = None
    for mount in mounts(root):
        covers = path.is_relative_to(mount.point)
        if covers and (found is None or len(mount.point.parts) >= len(found.point.parts)):
            found = mount
    return found
