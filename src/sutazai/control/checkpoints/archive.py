"""The file of a checkpoint: a tar of the manifest and its members, compressed by gzip.

Only regular files that the manifest names are ever taken out of one, so nothing in it can reach
beyond the folder that it is unpacked to, and it grows no larger there than its manifest says.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from sutazai.control.checkpoints.faults import reading
from sutazai.control.checkpoints.manifest import (
    MANIFEST,
    MANIFEST_MAX,
    Folder,
    Manifest,
    Member,
    parse_manifest,
)
from sutazai.fleet.errors import BadCheckpoint

LEVEL = 1
"""Of gzip. Higher ones take thrice the time for a tenth of the size."""
PRIVATE, PRIVATE_FOLDER = 0o600, 0o700
CHUNK = 1024 * 1024


def write_archive(path: Path, manifest: Manifest, folder: Path) -> None:
    """Writes a new file of the members that stand in ``folder``, flushed. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with open(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=LEVEL) as tar:
            text = manifest.model_dump_json().encode()
            (folder / MANIFEST).write_bytes(text)
            sizes = [(member.name, member.size) for member in manifest.members]
            for name, size in ((MANIFEST, len(text)), *sizes):
                with (folder / name).open("rb") as content:
                    tar.addfile(_entry(name, size, manifest.at), content)
        file.flush()
        os.fsync(descriptor)


def read_manifest(file: BinaryIO, name: str) -> Manifest:
    """The manifest of the checkpoint ``name``. Raises BadCheckpoint."""
    with reading(name), _opened(file) as (tar, _):
        return _manifest(tar)


def unpack(file: BinaryIO, name: str, target: Path) -> Manifest:
    """Writes the members of the checkpoint ``name`` to ``target``, an empty folder.

    Raises BadCheckpoint where any of them is not what its manifest says, OSError where it cannot be
    written.
    """
    with reading(name), _opened(file) as (tar, content):
        manifest = _manifest(tar)
        for folder in manifest.folders:
            (target / folder.name).mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        _take_members(tar, {member.name: member for member in manifest.members}, target)
        if len(content.read(CHUNK)) == CHUNK:  # at the end of it stands gzip's checksum of all
            raise BadCheckpoint("more follows where it should end")
    # Innermost first: a folder may be closed to ourselves.
    for folder in sorted(manifest.folders, key=lambda one: one.name, reverse=True):
        _give_rights(target / folder.name, folder)
    return manifest


def _entry(name: str, size: int, at: float) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size, int(at), PRIVATE
    return entry


@contextmanager
def _opened(file: BinaryIO) -> Iterator[tuple[tarfile.TarFile, gzip.GzipFile]]:
    # Not `r|gz`: tarfile's own way to read gzip looks at no checksum.
    with gzip.GzipFile(fileobj=file) as content, tarfile.open(fileobj=content, mode="r|") as tar:
        yield tar, content


def _manifest(tar: tarfile.TarFile) -> Manifest:
    entry = tar.next()
    content = tar.extractfile(entry) if entry is not None and entry.isreg() else None
    if entry is None or content is None or entry.name != MANIFEST or entry.size > MANIFEST_MAX:
        raise BadCheckpoint("it does not begin with a manifest")
    return parse_manifest(content.read())


def _take_members(tar: tarfile.TarFile, expected: dict[str, Member], target: Path) -> None:
    for entry in tar:
        if entry.name == MANIFEST:
            continue
        member, content = expected.pop(entry.name, None), tar.extractfile(entry)
        if member is None or not entry.isreg() or content is None:
            raise BadCheckpoint(f"it holds {entry.name!r}, which its manifest does not name")
        _take(content, member, target / member.name)
    if expected:
        raise BadCheckpoint(f"{len(expected)} of its files are missing, as {min(expected)}")


def _take(content: IO[bytes], member: Member, path: Path) -> None:
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with open(descriptor, "wb") as file:
        while chunk := content.read(CHUNK):
            size += len(chunk)
            if size > member.size:
                break
            digest.update(chunk)
            file.write(chunk)
    if size != member.size or digest.hexdigest() != member.sha256:
        raise BadCheckpoint(f"{member.name} is not what its checksum says")
    _give_rights(path, member)


def _give_rights(path: Path, rights: Folder) -> None:
    path.chmod(rights.mode)
    if os.geteuid() == 0:
        os.chown(path, rights.uid, rights.gid)
