"""Makes one checkpoint: gathers, packs, and puts it on the shelf. Blocks: of worker threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sutazai.control.checkpoints.archive import write_archive
from sutazai.control.checkpoints.faults import writing
from sutazai.control.checkpoints.manifest import Manifest
from sutazai.control.checkpoints.shelf import SUFFIX, Shelf
from sutazai.control.checkpoints.sources import Wanted, size_of, take
from sutazai.control.checkpoints.staging import Stage
from sutazai.fleet.errors import DiskFull
from sutazai.fleet.units import format_size

DUMPS = "dumps"
SPARE = 64 * 1024**2
"""Bytes that are left to the fleet, which writes to the same disk."""


@dataclass(frozen=True)
class Header:
    """What is known of a checkpoint before it is made; ``at`` is in seconds since 1970."""

    name: str
    fleet: str
    revision: int | None
    at: float
    reason: str


def make(header: Header, wanted: Wanted, shelf: Shelf, folder: Path) -> None:
    """Makes it in ``folder``, a scratch folder of the shelf's workshop; what others wrote of their
    data stands in ``dumps`` there, if any did.

    Raises DiskFull, Unavailable; then nothing is on the shelf.
    """
    with writing(f"checkpoint {header.name}"):
        stage = Stage(folder / "stage")
        stage.folder.mkdir()
        take(wanted, stage)
        for dump in sorted(folder.glob(f"{DUMPS}/*")):
            os.rename(dump, stage.path(f"{DUMPS}/{dump.name}"))
            stage.add(f"{DUMPS}/{dump.name}")
        draft = folder / f"{header.name}{SUFFIX}"
        manifest = _manifest(header, stage, wanted.places.runtime)
        write_archive(draft, manifest, stage.folder)
        shelf.put(header.name, draft)


def check_room(wanted: Wanted, workshop: Path, spare: int = SPARE) -> None:
    """Raises DiskFull where what is to be taken would not fit twice: gathered and packed."""
    found = os.statvfs(workshop)
    free, needed = found.f_bavail * found.f_frsize, 2 * size_of(wanted)
    if free < needed + spare:
        raise DiskFull(
            f"no checkpoint can be made in {workshop}: it takes up to {format_size(needed)} while "
            f"it is made, and {format_size(free)} are free",
            hint="make room, or let checkpoints go elsewhere: `checkpoints.to` or --to",
        )


def _manifest(header: Header, stage: Stage, runtime: Path) -> Manifest:
    return Manifest(
        fleet=header.fleet,
        revision=header.revision,
        at=header.at,
        reason=header.reason,
        runtime=str(runtime),
        folders=tuple(stage.folders),
        members=tuple(stage.members),
        left_out=tuple(stage.left_out),
    )
