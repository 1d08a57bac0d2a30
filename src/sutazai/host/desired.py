"""The host's copy of what is wanted, so that it needs nobody to go on after its own death."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from sutazai.fleet.desired import Desired
from sutazai.fleet.files import replace_file


class DesiredFile:
    """One file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Desired:
        """What was wanted last; nothing (revision 0) where there is no usable file."""
        try:
            return Desired.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return Desired(revision=0)

    def write(self, desired: Desired) -> None:
        """Keeps what is wanted; it holds keys of agents, so only the owner may read it."""
        # What is a default is left out: a model that was read takes memory for each field that was
        # named, 3.5 KiB a unit if all are.
        replace_file(self._path, desired.model_dump_json(exclude_defaults=True))
