"""Where a fleet's groups are, on disk from before the first of them is made.

The next host finds them there, also one that was started from somewhere else, and so does whoever
ends the fleet by force.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from sutazai.host.limits.folders import Folders
from sutazai.host.limits.interface import Limits
from sutazai.host.limits.v1 import GroupsV1
from sutazai.host.limits.v2 import GroupsV2


@dataclass(frozen=True, kw_only=True)
class Place:
    """The fleet's own groups: one for each controller (v1), or one for all, ``memory`` (v2)."""

    version: Literal["v2", "v1"]
    parents: dict[str, Path]
    why: str = ""

    @property
    def exists(self) -> bool:
        """Whether all of it is there; after a reboot nothing is."""
        return bool(self.parents) and all(path.is_dir() for path in self.parents.values())

    def limits(self, kernel: Folders | None = None) -> Limits:
        """What holds limits there."""
        if self.version == "v2":
            return GroupsV2(self.parents["memory"], kernel)
        return GroupsV1(self.parents, why=self.why, kernel=kernel)


_JSON = TypeAdapter(Place)


def read_place(path: Path) -> Place | None:
    """The place that was written; None where there is none or it cannot be read."""
    try:
        return _JSON.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_place(path: Path, place: Place) -> None:
    """Writes or replaces it, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(_JSON.dump_json(place))
    fresh.replace(path)
