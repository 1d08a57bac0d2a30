"""Gathers what a checkpoint holds in a folder: copied, measured, with rights and owners."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from sutazai.control.checkpoints.manifest import Folder, Member

CHUNK = 1024 * 1024
PRIVATE = 0o600


class Stage:
    """The folder of one checkpoint that is being made. Blocks: of worker threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.members: list[Member] = []
        self.folders: list[Folder] = []
        self.left_out: list[str] = []

    def path(self, name: str) -> Path:
        """Where the member ``name`` is to stand; its folders are there."""
        path = self.folder / PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, content: bytes) -> None:
        """Takes in a text of ours."""
        self.path(name).write_bytes(content)
        self.add(name)

    def add(self, name: str, like: os.stat_result | None = None) -> None:
        """Takes in a file that already stands at its ``path``; its rights are those of ``like``,
        else its owner's only."""
        path = self.path(name)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(file.fileno()).st_size
        self.members.append(
            Member(name=name, size=size, sha256=digest, **_rights(like or _own(path)))
        )

    def copy(self, name: str, file: BinaryIO) -> None:
        """Takes in a file as long as it is now; one that grows meanwhile is cut off there."""
        found = os.fstat(file.fileno())
        digest, size = hashlib.sha256(), 0
        with self.path(name).open("xb") as target:
            for chunk in _chunks(file, found.st_size):
                target.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        rights = _rights(found)
        self.members.append(Member(name=name, size=size, sha256=digest.hexdigest(), **rights))

    def add_folder(self, name: str, found: os.stat_result) -> None:
        """Takes in a folder without what is in it."""
        self.folders.append(Folder(name=name, **_rights(found)))


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (chunk := file.read(min(CHUNK, size))):
        size -= len(chunk)
        yield chunk


def _own(path: Path) -> os.stat_result:
    path.chmod(PRIVATE)
    return path.stat()


def _rights(found: os.stat_result) -> dict[str, int]:
    return {"mode": stat.S_IMODE(found.st_mode) & 0o777, "uid": found.st_uid, "gid": found.st_gid}
