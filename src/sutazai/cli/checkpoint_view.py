"""How checkpoints look. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from sutazai.cli.console import clock, plain, table
from sutazai.control.checkpoints.restoring import Restored
from sutazai.fleet.checkpoints import CheckpointInfo
from sutazai.fleet.emergency import Smoke
from sutazai.fleet.places import Places
from sutazai.fleet.units import format_size

LEFT_OUT_SHOWN = 5


def checkpoints_table(found: Sequence[CheckpointInfo]) -> RenderableType:
    """All of them, one a line."""
    if not found:
        return "there are no checkpoints: sutazai checkpoint create"
    shown = table("name", "made", "revision", "size", "reason")
    for one in found:
        told = f"! {one.trouble}" if one.trouble else one.reason
        revision = "" if one.revision is None else str(one.revision)
        made = clock(one.at) if one.at else ""
        shown.add_row(one.name, made, revision, format_size(one.size), plain(told))
    return shown


def checkpoint_line(made: CheckpointInfo) -> str:
    """What was made, and what could not be taken in."""
    told = (
        f"{made.name}: {made.members} files, {format_size(made.size)}, verified, "
        f"{made.seconds or 0:.1f} s; in {made.place}"
    )
    if not made.left_out:
        return told
    some = ", ".join(map(plain, made.left_out[:LEFT_OUT_SHOWN]))
    return f"{told}\nleft out: {len(made.left_out)} files, as {some}"


def restored_lines(
    done: Restored, places: Places, seconds: float, *, starts: bool
) -> Iterator[str]:
    """What was restored, where the old state is, and what to type next."""
    found = done.manifest
    yield (
        f"restored {found.fleet} as it was at {clock(found.at)}, revision {found.revision}, "
        f"to {places.state} ({seconds:.1f} s)"
    )
    if done.aside is not None:
        yield f"what was there is now {done.aside}"
    if not starts:
        yield f"start it: sutazai up --state {places.state}"


def smoke_lines(tests: Sequence[Smoke], seconds: float) -> Iterator[str]:
    """How the tests went, and what all of it took."""
    for test in tests:
        yield f"{test.name}: {'passed' if test.passed else 'failed'}, {plain(test.told)}"
    yield f"restored, started and tested in {seconds:.1f} s"
