"""Checkpoints: what the fleet file says of them, and how they are told of."""

from __future__ import annotations

from pydantic import Field

from sutazai.fleet.declared import Interval, Spec
from sutazai.fleet.shapes import Shape
from sutazai.fleet.units import Size

GIB = 1024**3


class CheckpointPlan(Spec):
    """When checkpoints are made, where they go, and how many are kept."""

    every: Interval | None = Field(
        None, description="Time from one to the next; without it only before rollouts and by hand."
    )
    keep: int = Field(7, ge=1, le=1000, description="Good ones that are kept; the oldest go first.")
    to: str | None = Field(
        None,
        description="A folder, or a URL that fsspec knows, as `s3://bucket/folder`; `${VAR}` is "
        "resolved. Without it, in the state folder.",
    )
    artifacts: Size = Field(
        GIB,
        description="Files that runs wrote are taken in up to so much, the newest first; their "
        "index always is. `0B` leaves them out.",
    )


class CheckpointInfo(Shape):
    """One checkpoint. ``at`` is in seconds since 1970, ``size`` in bytes.

    ``revision`` is the fleet's newest in it. ``left_out`` names what could not be taken in, or was
    not to be. ``trouble`` says why it cannot be used, where that is known; ``seconds`` is what it
    took to make and verify it, None where it was only looked at.
    """

    name: str
    place: str
    size: int
    fleet: str = ""
    revision: int | None = None
    at: float = 0.0
    reason: str = ""
    members: int = 0
    left_out: tuple[str, ...] = ()
    trouble: str = ""
    seconds: float | None = None


class CheckpointAsked(Shape):
    """What a checkpoint is made for, and where it goes instead of where the fleet file says."""

    reason: str = "asked for"
    to: str | None = None
