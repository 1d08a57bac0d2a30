"""Small files of the kernel, read so that a missing or broken one is just empty."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

PIECE = 65536


def text(path: Path) -> str:
    """The content of ``path``; empty where it cannot be read (PSI switched off answers so too)."""
    try:
        return _content(path).decode(errors="replace")
    except OSError:
        return ""


def _content(path: Path) -> bytes:
    """A quarter as dear as `Path.read_bytes`: a host reads hundreds of these a second."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(partial(os.read, descriptor, PIECE), b""))
    finally:
        os.close(descriptor)


def number(path: Path) -> int | None:
    """The whole number that stands in ``path``; None for anything else, as ``max``."""
    content = text(path).strip()
    return int(content) if content.isdecimal() else None


def fields(path: Path) -> dict[str, str]:
    """Lines of the form ``name: value``."""
    pairs = (line.partition(":") for line in text(path).splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


@dataclass(frozen=True)
class Mount:
    """A line of mountinfo. ``inside`` is the part of the file system that is mounted."""

    inside: str
    point: Path
    kind: str
    source: str
    options: frozenset[str]


def mounts(root: Path) -> list[Mount]:
    """All mounts that this process sees, later ones covering earlier ones."""
    lines = text(root / "proc/self/mountinfo").splitlines()
    return [mount for line in lines if (mount := _mount(line))]


def _mount(line: str) -> Mount | None:
    """From ``36 35 98:0 /inside /point rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=…``."""
    place, _, system = line.partition(" - ")
    left, right = place.split(" "), system.split(" ")
    if len(left) < 5 or len(right) < 2:
        return None
    options = frozenset(right[2].split(",")) if len(right) > 2 else frozenset()
    return Mount(
        inside=_plain(left[3]),
        point=Path(_plain(left[4])),
        kind=right[0],
        source=_plain(right[1]),
        options=options,
    )


def _plain(word: str) -> str:
    """mountinfo writes blanks, tabs, newlines and backslashes as octal numbers."""
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        word = word.replace(code, character)
    return word
