"""What a container sees of the machine's disk: ``SOURCE:TARGET[:MODE]``, as Docker writes it. Pure.

A source that begins with ``/``, ``.`` or ``~`` is a folder or file of this machine, any other is
the name of a volume that the engine keeps. Without a source the volume lasts as long as its
container.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

MODES = ("", "ro", "rw")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Mount:
    """One entry of ``volumes``; ``source`` is empty where the engine makes a volume."""

    source: str
    target: str
    mode: str = ""

    def __str__(self) -> str:
        return ":".join(part for part in (self.source, self.target, self.mode) if part)

    @property
    def is_path(self) -> bool:
        """Whether its source is a folder or a file of this machine."""
        return self.source.startswith(("/", ".", "~"))

    def anchored(self, base: Path) -> Mount:
        """The same with the full path of its source; relative ones count from ``base``."""
        if not self.is_path:
            return self
        return replace(self, source=str(base / Path(self.source).expanduser()))


def parse_mount(text: str) -> Mount:
    """One entry of ``volumes``. Raises ValueError."""
    pieces = text.split(":")
    source, target, mode, *more = [*pieces, ""] if len(pieces) > 1 else ["", *pieces, ""]
    mount = Mount(source, target, mode)
    if not target.startswith("/") or mode not in MODES or any(more) or not all(pieces):
        raise ValueError("a volume is written as data:/var/lib/data or ./conf:/etc/conf:ro")
    if source and not mount.is_path and not _NAME.fullmatch(source):
        raise ValueError("a volume's name has letters, digits, dots, dashes and underscores")
    return mount
