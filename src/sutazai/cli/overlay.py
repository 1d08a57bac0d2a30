"""Which overlay lies over a fleet file on this machine."""

from __future__ import annotations

from pathlib import Path

from sutazai.fleet.errors import BadInput

FOLDER = "overlays"
NONE = "none"
"""The name by which no overlay is asked for."""


def overlay_of(file: Path, wanted: str | None, machine: str) -> Path | None:
    """The overlay that is ``wanted``, else that of the ``machine``; None where there is none.

    Overlays lie in ``overlays`` beside the fleet file, or in the folder of its parts. A machine's
    is called as its host name, or as that up to its first dot.

    Raises BadInput where the wanted one is not there.
    """
    folder = (file if file.is_dir() else file.parent) / FOLDER
    if wanted == NONE:
        return None
    if wanted is not None:
        return _wanted(folder, wanted)
    names = (machine, machine.partition(".")[0])
    return next((path for name in names if (path := folder / f"{name}.yaml").is_file()), None)


def _wanted(folder: Path, name: str) -> Path:
    path = folder / f"{name}.yaml"
    if path.parent == folder and path.is_file():
        return path
    there = ", ".join(sorted(each.stem for each in folder.glob("*.yaml")))
    raise BadInput(
        f"there is no overlay `{name}` in {folder}",
        hint=f"there are {there}; `{NONE}` takes none" if there else f"it would be {path}",
    )
