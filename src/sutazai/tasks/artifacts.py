"""Files that runs write: one folder a run, each file written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import unicodedata
from pathlib import Path

from sutazai.fleet.errors import BadInput
from sutazai.fleet.ids import new_tag
from sutazai.fleet.work import Artifact

SLUG_MAX = 40
FILE_MAX = 1024 * 1024
"""Bytes of a file that a task names."""


class ArtifactFolder:
    """The folder of all runs. Blocks: to be called in a worker thread."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, run_id: str, name: str, text: str) -> Artifact:
        """Writes ``RUN_ID/name`` atomically; writing the same text again changes nothing."""
        path = self.path(run_id, name)
        data = text.encode(errors="replace")
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_atomically(path, data)
        digest = hashlib.sha256(data).hexdigest()
        return Artifact(name=name, path=str(path), size=len(data), sha256=digest)

    def read(self, run_id: str, name: str) -> str:
        """The text of a file; empty where it is no longer there."""
        try:
            return self.path(run_id, name).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def reference(self, name: str) -> Path:
        """The file that a task names, below this folder. Raises BadInput."""
        root = self._root.resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise BadInput(
                f"there is no file {name!r} among the artifacts",
                hint=f"name one below {self._root}, as RUN/plan.md",
            )
        if path.stat().st_size > FILE_MAX:
            raise BadInput(f"{name} is longer than {FILE_MAX} bytes", hint="give a part of it")
        return path

    def referenced(self, name: str) -> str:
        """The text of the file that a task names. Raises BadInput."""
        return self.reference(name).read_text(errors="replace")

    def remove(self, run_id: str) -> None:
        """Deletes a run's folder."""
        shutil.rmtree(self._root / run_id, ignore_errors=True)

    def path(self, run_id: str, name: str) -> Path:
        """Where a file of a run stands."""
        return self._root / run_id / name


def slug(title: str) -> str:
    """A title as a part of a file's name: lower case, hyphens, at most 40 characters."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:SLUG_MAX].strip("-") or "item"


def _write_atomically(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{new_tag()}")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:  # the part goes, whatever stopped it
        partial.unlink(missing_ok=True)
        raise
