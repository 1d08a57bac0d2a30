"""The home of each unit: a folder that is its own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sutazai.fleet.errors import Failed

_PRIVATE, _PASSABLE, _READABLE, _WRITABLE = 0o700, 0o711, 0o755, 0o002
SCRATCH = "tmp"
"""What stands for /tmp where a unit reaches its declared paths alone."""


def make_passable(folder: Path) -> None:
    """Makes a folder in which others find what they know the name of, and cannot look around."""
    folder.mkdir(mode=_PASSABLE, parents=True, exist_ok=True)
    folder.chmod(_PASSABLE)


def make_home(folder: Path, uid: int | None) -> None:
    """Makes a home, owned by ``uid``. One that belonged to another user is handed over."""
    make_passable(folder.parent)
    for path in (folder, folder / SCRATCH):
        path.mkdir(mode=_PRIVATE, exist_ok=True)
    owner = os.geteuid() if uid is None else uid
    if folder.stat().st_uid != owner or (folder / SCRATCH).stat().st_uid != owner:
        _hand_over(folder, owner)


def make_folders(paths: Iterable[str]) -> list[str]:
    """Makes those folders that are missing; which ones."""
    made = [path for path in paths if not os.path.exists(path)]
    for path in made:
        os.makedirs(path)
        os.chmod(path, _READABLE)
    return made


def check_writable(path: str, uid: int, unit: str) -> None:
    """Raises Failed where ``uid``, as whom ``unit`` runs, may not write to a path."""
    found = os.stat(path)
    if found.st_uid != uid and not found.st_mode & _WRITABLE:
        raise Failed(
            f"{unit} runs as user {uid}, who may not write to {path}",
            hint=f"chown -R {uid} {path}, or `run_as: host` for {unit}",
        )


def _hand_over(folder: Path, owner: int) -> None:
    # By descriptors, and never through links: what is in it was written by an agent.
    for _, folders, files, here in os.fwalk(folder):
        os.chown(here, owner, owner)
        for name in (*folders, *files):
            os.chown(name, owner, owner, dir_fd=here, follow_symlinks=False)
