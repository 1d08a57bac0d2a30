"""Whether a checkpoint could be restored: it is, into a scratch folder, and looked into."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pydantic import ValidationError

from sutazai.control.checkpoints.archive import unpack
from sutazai.control.checkpoints.faults import reading, writing
from sutazai.control.checkpoints.manifest import Manifest
from sutazai.control.checkpoints.scratch import scratch
from sutazai.control.checkpoints.shelf import Shelf
from sutazai.control.checkpoints.snapshots import trouble_of
from sutazai.fleet.errors import BadCheckpoint
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Fleet


def verify(shelf: Shelf, name: str) -> Manifest:
    """Its manifest, once every checksum, database and the fleet in it are found right. Blocks.

    Raises BadCheckpoint, NotFound, DiskFull, Unavailable.
    """
    shelf.size(name)  # what is not there needs no folder
    with writing("the scratch folder"), scratch(shelf.workshop) as folder:
        return unpacked(shelf, name, folder / "state")


def unpacked(shelf: Shelf, name: str, target: Path) -> Manifest:
    """The same, and what is in it stands in ``target`` then, a new folder. Raises OSError too."""
    target.mkdir(mode=0o700)
    with shelf.opened(name) as file:
        manifest = unpack(file, name, target)
    with reading(name):
        examine(Places.of(target), manifest)
    return manifest


def examine(places: Places, manifest: Manifest) -> None:
    """Raises BadCheckpoint where a state folder is not one that a fleet can be started on."""
    try:
        fleet = Fleet.model_validate_json(places.fleet.read_bytes())
    except (FileNotFoundError, ValidationError) as error:
        raise BadCheckpoint("the fleet in it cannot be read") from error
    if fleet.name != manifest.fleet:
        raise BadCheckpoint(f"the fleet in it is {fleet.name}, not {manifest.fleet}")
    for path in sorted(places.state.glob("*.sqlite")):
        if trouble := trouble_of(path):
            raise BadCheckpoint(f"{path.name} is damaged: {trouble}")
    if places.database.exists() and manifest.revision is not None:
        _check_revision(places.database, manifest.revision)


def _check_revision(database: Path, number: int) -> None:
    uri = f"{database.absolute().as_uri()}?immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            found = connection.execute("SELECT 1 FROM revisions WHERE number = ?", (number,))
            there = found.fetchone()
    except sqlite3.Error as error:
        raise BadCheckpoint(f"{database.name} has no revisions: {error}") from error
    if there is None:
        raise BadCheckpoint(f"revision {number} is missing in it")
