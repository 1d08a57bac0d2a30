"""The brake on the CPU time of all agents, kept over restarts until it is released."""

from __future__ import annotations

from pathlib import Path

from sutazai.fleet.files import replace_file


class Throttle:
    """How many cores each agent may take; kept in a file that is there while it is on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.cores = _read(path)

    def set(self, cores: float | None) -> None:
        """Keeps it; None releases. Raises OSError where it cannot be kept, and nothing changed."""
        if cores is None:
            self._path.unlink(missing_ok=True)
        else:
            replace_file(self._path, f"{cores!r}\n")
        self.cores = cores


def _read(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
