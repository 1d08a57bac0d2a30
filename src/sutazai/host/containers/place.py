"""Where a fleet's containers are, on disk from before the first of them is made.

The next host finds them there, also after a reboot, and so does whoever ends the fleet by force.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True, kw_only=True)
class ContainerPlace:
    """The engine's socket, the fleet's own network in it, and this machine's address there as far
    as the gateway listens at it."""

    socket: Path
    network: str
    gateway: str = ""


_JSON = TypeAdapter(ContainerPlace)


def read_place(path: Path) -> ContainerPlace | None:
    """The place that was written; None where there is none or it cannot be read."""
    try:
        return _JSON.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_place(path: Path, place: ContainerPlace) -> None:
    """Writes or replaces it, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(_JSON.dump_json(place))
    fresh.replace(path)
