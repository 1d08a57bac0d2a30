"""Files replaced as a whole, so that whoever reads one finds the old or the new content."""

from __future__ import annotations

import os
from pathlib import Path

from sutazai.fleet.ids import new_tag

PRIVATE = 0o600


def replace_file(path: Path, content: bytes | str) -> None:
    """Makes ``content`` that of ``path``, readable by its owner only. A crash at any point leaves
    the old content or the new one. Raises OSError, and nothing changed."""
    fresh = path.with_name(f".{path.name}.{new_tag()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    try:
        with open(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except BaseException:  # the draft goes, whatever stopped it
        fresh.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Waits until the names in ``folder`` are on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
