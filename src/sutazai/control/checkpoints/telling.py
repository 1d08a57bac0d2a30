"""What is told of checkpoints that stand on a shelf. Blocks: of worker threads."""

from __future__ import annotations

from sutazai.control.checkpoints.archive import read_manifest
from sutazai.control.checkpoints.keeping import newest_first
from sutazai.control.checkpoints.manifest import Manifest
from sutazai.control.checkpoints.shelf import Shelf
from sutazai.control.checkpoints.verifying import verify
from sutazai.fleet.checkpoints import CheckpointInfo
from sutazai.fleet.errors import BadCheckpoint

LEFT_OUT_TOLD = 100


def listed(shelf: Shelf, fleet: str | None = None) -> list[CheckpointInfo]:
    """Those on a shelf, newest first; of each only the manifest is read."""
    return [_glanced(shelf, name) for name in newest_first(shelf.names(), fleet)]


def verified(shelf: Shelf, name: str) -> CheckpointInfo:
    """One that was verified just now; ``trouble`` is empty where it is good."""
    try:
        return info_of(shelf, name, verify(shelf, name))
    except BadCheckpoint as error:
        return _bad(shelf, name, error)


def info_of(shelf: Shelf, name: str, manifest: Manifest) -> CheckpointInfo:
    """What is told of one whose manifest is known."""
    return CheckpointInfo(
        name=name,
        place=shelf.where,
        size=shelf.size(name),
        fleet=manifest.fleet,
        revision=manifest.revision,
        at=manifest.at,
        reason=manifest.reason,
        members=len(manifest.members),
        left_out=manifest.left_out[:LEFT_OUT_TOLD],
    )


def _glanced(shelf: Shelf, name: str) -> CheckpointInfo:
    try:
        with shelf.opened(name) as file:
            return info_of(shelf, name, read_manifest(file, name))
    except BadCheckpoint as error:
        return _bad(shelf, name, error)


def _bad(shelf: Shelf, name: str, error: BadCheckpoint) -> CheckpointInfo:
    return CheckpointInfo(
        name=name, place=shelf.where, size=shelf.size(name), trouble=error.message
    )
