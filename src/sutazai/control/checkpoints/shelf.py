"""Where checkpoints stand: a folder of this machine, or a place that fsspec reaches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from sutazai.control.checkpoints.faults import writing
from sutazai.control.checkpoints.scratch import sweep
from sutazai.fleet.errors import NotFound, Unavailable
from sutazai.fleet.files import flush_folder
from sutazai.fleet.places import Places
from sutazai.fleet.secrets import resolve_secret

SUFFIX = ".tar.gz"
FOLDER = "checkpoints"


class Shelf(Protocol):
    """A place for checkpoints. All of it blocks, and raises Unavailable where it is not there.

    Attributes:
        where: the place, for people.
        workshop: a folder of this machine in which they are made and looked at.
    """

    where: str
    workshop: Path

    def names(self) -> list[str]:
        """Those that are there whole, in no order."""

    def size(self, name: str) -> int:
        """Bytes of one. Raises NotFound."""

    def opened(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Its content. Raises NotFound."""

    def put(self, name: str, draft: Path) -> None:
        """Takes in a file of the workshop, whole or not at all. Raises DiskFull."""

    def remove(self, name: str) -> None:
        """Takes one away; nothing where it is gone already."""

    def sweep(self, fleet: str) -> None:
        """Removes what was left half made, by ``fleet`` where others share the place."""


class FolderShelf:
    """A folder, made when the first is put there."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self.workshop = folder

    def names(self) -> list[str]:
        return [path.name.removesuffix(SUFFIX) for path in self.workshop.glob(f"[!.]*{SUFFIX}")]

    def size(self, name: str) -> int:
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError:
            raise missing(name, self) from None

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        try:
            file = self._path(name).open("rb")
        except FileNotFoundError:
            raise missing(name, self) from None
        with file:
            yield file

    def put(self, name: str, draft: Path) -> None:
        with writing(f"checkpoint {name}"):
            os.rename(draft, self._path(name))
            flush_folder(self.workshop)

    def remove(self, name: str) -> None:
        with writing(f"checkpoint {name}"):
            self._path(name).unlink(missing_ok=True)

    def sweep(self, fleet: str) -> None:
        sweep(self.workshop)

    def _path(self, name: str) -> Path:
        return self.workshop / f"{name}{SUFFIX}"


def shelf_of(place: str | None, places: Places, base: Path) -> Shelf:
    """The shelf at ``place``, a folder or a URL with its secrets; else the one in the state folder.

    A relative folder counts from ``base``. Raises BadFleet, Unavailable.
    """
    own = places.state / FOLDER
    if place is None:
        return FolderShelf(own)
    # `file://` is a URL, where `file:PATH` would be a secret's file.
    known = place.startswith("file://")
    resolved = place if known else resolve_secret(place, os.environ, base)
    if "://" not in resolved:
        return FolderShelf(base / Path(resolved).expanduser())
    if find_spec("fsspec") is None:
        raise Unavailable(
            f"{place} cannot be reached: fsspec is missing",
            hint="pip install 'sutazai[checkpoints]', and what its kind of storage needs",
        )
    module = import_module("sutazai.control.checkpoints.url_shelf")
    return cast(Shelf, module.UrlShelf(resolved, own))


def missing(name: str, shelf: Shelf) -> NotFound:
    """That a checkpoint is not there, and what to type."""
    return NotFound(
        f"there is no checkpoint {name} in {shelf.where}",
        hint="sutazai checkpoint list; those of elsewhere: --from FOLDER or URL",
    )
