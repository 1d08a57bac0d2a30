"""Puts a checkpoint where a fleet's state is. Blocks; needs no control.

What was there is renamed and kept. Until then nothing is touched, so that a restore that fails or
is killed leaves the state as it was.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from sutazai.control.checkpoints.faults import writing
from sutazai.control.checkpoints.keeping import stamp_of
from sutazai.control.checkpoints.manifest import Manifest
from sutazai.control.checkpoints.scratch import scratch, sweep
from sutazai.control.checkpoints.shelf import FOLDER, Shelf
from sutazai.control.checkpoints.verifying import unpacked
from sutazai.control.executors import executor_name
from sutazai.fleet.files import flush_folder, replace_file
from sutazai.fleet.places import Places


@dataclass(frozen=True)
class Restored:
    """``aside`` is where the state that was there is now; None where there was none."""

    manifest: Manifest
    aside: Path | None


def restore(shelf: Shelf, name: str, places: Places, *, at: float) -> Restored:
    """Makes the state of ``places``, on which no fleet may run, that of a checkpoint.

    Args:
        at: seconds since 1970, for the name of what was there.

    Raises BadCheckpoint, NotFound, DiskFull, Unavailable; then everything is as it was.
    """
    parent, prefix = places.state.parent, f".{places.state.name}.restoring-"
    with writing(f"the state folder {places.state}"):
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent, prefix)
        with scratch(parent, prefix) as folder:
            fresh = folder / "state"
            manifest = unpacked(shelf, name, fresh)
            _load_postgres(Places.of(fresh))
            _make_ours(Places.of(fresh), places, manifest.runtime)
            _keep_checkpoints(places.state / FOLDER, fresh / FOLDER)
            return Restored(manifest, _swap(fresh, places.state, stamp_of(at)))


def _load_postgres(fresh: Places) -> None:
    """Puts the database back where it is no file of ours."""
    dump = fresh.state / "dumps" / "database.pgdump"
    if dump.exists() and not fresh.database.exists():
        import_module("sutazai.control.checkpoints.postgres").load_database(fresh, dump)
        dump.unlink()


def _make_ours(fresh: Places, places: Places, runtime: str) -> None:
    """The machine and the folders may be others now. Work goes on with whoever has the name of the
    process that began it, and host and gateway are told of sockets where they are."""
    if fresh.database.exists():
        with closing(sqlite3.connect(fresh.database)) as connection, connection:
            connection.execute("UPDATE executors SET name = ?", (executor_name("control", places),))
    for file in (fresh.desired, fresh.routes):
        if file.exists() and runtime:
            replace_file(file, file.read_bytes().replace(_quoted(runtime), _quoted(places.runtime)))


def _quoted(path: str | Path) -> bytes:
    """A path as it stands within a text in JSON."""
    return json.dumps(str(path))[1:-1].encode()


def _keep_checkpoints(old: Path, new: Path) -> None:
    """Those that stand in the state folder are there afterwards too, and in what is put aside."""
    if old.is_dir():
        new.mkdir(mode=0o700)
        for path in old.iterdir():
            if path.is_file():
                os.link(path, new / path.name)


def _swap(fresh: Path, state: Path, stamp: str) -> Path | None:
    os.sync()  # only what is on the disk may take another's place
    aside = None
    if state.exists():
        aside = state.with_name(f"{state.name}.before-restore-{stamp}")
        os.rename(state, aside)
    os.rename(fresh, state)
    flush_folder(state.parent)
    return aside
