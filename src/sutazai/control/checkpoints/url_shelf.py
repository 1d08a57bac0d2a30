"""Checkpoints in object storage, or wherever else fsspec reaches. Imported on demand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import fsspec
from fsspec.core import url_to_fs

from sutazai.control.checkpoints.faults import writing
from sutazai.control.checkpoints.shelf import SUFFIX, missing
from sutazai.fleet.errors import SutazaiError, Unavailable

PART = ".part"


class UrlShelf:
    """A folder at a URL.

    Args:
        workshop: a folder of this machine in which checkpoints are made before they go there.
    """

    def __init__(self, url: str, workshop: Path) -> None:
        self.workshop = workshop
        try:
            self._files: fsspec.AbstractFileSystem
            self._files, self._root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise Unavailable(
                f"checkpoints cannot go to such a URL: {error}",
                hint="pip install what fsspec asks for",
            ) from error
        # Never the URL as it was given: a password may stand in it.
        self.where = str(self._files.unstrip_protocol(self._root))

    def names(self) -> list[str]:
        found = self._listed(SUFFIX)
        return [path.rpartition("/")[2].removesuffix(SUFFIX) for path in found]

    def size(self, name: str) -> int:
        with self._reached(name):
            return int(self._files.size(self._path(name)) or 0)

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        with self._reached(name):
            file = self._files.open(self._path(name), "rb")
        with file:
            yield cast(BinaryIO, _Reader(file, self, name))

    def put(self, name: str, draft: Path) -> None:
        path = self._path(name)
        with self._reached(name), writing(f"checkpoint {name}"):
            self._files.makedirs(self._root, exist_ok=True)
            self._files.put_file(str(draft), path + PART)
            self._files.mv(path + PART, path)

    def remove(self, name: str) -> None:
        with self._reached(name), writing(f"checkpoint {name}"):
            if self._files.exists(self._path(name)):
                self._files.rm_file(self._path(name))

    def sweep(self, fleet: str) -> None:
        for path in self._listed(f"{SUFFIX}{PART}"):
            if path.rpartition("/")[2].startswith(f"{fleet}-"):
                with self._reached(path):
                    self._files.rm_file(path)

    @contextmanager
    def _reached(self, name: str) -> Iterator[None]:
        """Raises NotFound for a name that is not there, Unavailable for any other trouble."""
        try:
            yield
        except SutazaiError:
            raise
        except FileNotFoundError:
            raise missing(name, self) from None
        except Exception as error:  # each kind of storage raises what its own library does
            raise Unavailable(f"{self.where} cannot be reached: {error}") from error

    def _listed(self, end: str) -> list[str]:
        with self._reached(""):
            self._files.invalidate_cache()
            if not self._files.exists(self._root):
                return []
            return [path for path in self._files.ls(self._root, detail=False) if path.endswith(end)]

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}{SUFFIX}"


class _Reader:
    """A file of the storage whose troubles are told as ours."""

    def __init__(self, file: BinaryIO, shelf: UrlShelf, name: str) -> None:
        self._file = file
        self._shelf = shelf
        self._name = name

    def read(self, size: int = -1) -> bytes:
        with self._shelf._reached(self._name):
            return self._file.read(size)
