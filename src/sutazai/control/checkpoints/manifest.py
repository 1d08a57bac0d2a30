"""What a checkpoint says of itself, in its first member. Pure."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from sutazai.fleet.errors import BadCheckpoint
from sutazai.fleet.shapes import Shape

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_MAX = 256 * 1024**2
"""Bytes; some 200 for each file."""


def _within(name: str) -> str:
    """A relative path that stays where it is put."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or str(path) != name:
        raise ValueError("the path leaves the folder")
    if "\0" in name or name == MANIFEST:
        raise ValueError("this cannot be the name of a member")
    return name


Inside = Annotated[str, AfterValidator(_within)]


class Folder(Shape):
    """One folder, its rights and its owner."""

    name: Inside
    mode: int = Field(ge=0, le=0o777)
    uid: int = Field(ge=0)
    gid: int = Field(ge=0)


class Member(Folder):
    """One file; ``size`` in bytes."""

    size: int = Field(ge=0)
    sha256: str


class Manifest(Shape):
    """``at`` is in seconds since 1970; ``left_out`` names what the fleet has and this does not.

    ``runtime`` is the fleet's runtime folder, of which some members speak.
    """

    format: int = FORMAT
    fleet: str
    revision: int | None
    at: float
    reason: str
    runtime: str = ""
    folders: tuple[Folder, ...] = ()
    members: tuple[Member, ...] = ()
    left_out: tuple[str, ...] = ()


def parse_manifest(data: bytes) -> Manifest:
    """Raises BadCheckpoint, also for a format that this version does not know."""
    try:
        value = json.loads(data)
        found = value["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise BadCheckpoint("its manifest cannot be read") from error
    if found != FORMAT:
        raise BadCheckpoint(
            f"it has format {found!r}, and this version reads {FORMAT}",
            hint="restore it with the version of SutazAI that made it",
        )
    try:
        return Manifest.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadCheckpoint(f"its manifest is wrong at {place}: {first['msg']}") from error
