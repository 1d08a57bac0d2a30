"""A fleet that is applied from files of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sutazai.cli import fleets
from sutazai.cli.config import read_config
from sutazai.cli.fleet_file import Accepted, accept, chosen_overlay
from sutazai.cli.offer import Asked, offer
from sutazai.cli.output import print_problem
from sutazai.fleet.errors import BadFleet, BadInput
from sutazai.fleet.load import files_of
from sutazai.fleet.places import Places
from sutazai.fleet.revisions import FleetPlan
from sutazai.fleet.secrets import secret_files
from sutazai.fleet.watching import Look, Stamp


class FleetFiles:
    """A fleet file, or a folder of parts, with its overlay.

    Args:
        file: None for the built-in fleet.
        overlay: the name of one, or None for this machine's.
        state: that of the fleet that is meant; without it, the one that the file names.
    """

    def __init__(self, file: Path | None, overlay: str | None, state: Path | None) -> None:
        self._file = file
        self._overlay = overlay
        self._state = state
        self._secrets: set[Path] = set()

    def check(self) -> None:
        """Raises BadFleet and BadInput where it cannot be watched."""
        if self._file is None:
            raise BadInput("there is no file to watch", hint="sutazai apply FILE --watch")
        self._known(accept(self._file, overlay=self._overlay))

    def apply(self, asked: Asked) -> FleetPlan:
        """Offers what the files declare now; see `offer` for what is raised."""
        accepted, places = self._accepted()
        for warning in accepted.warnings:
            print_problem(warning.as_dict())
        reason = asked.reason or f"applied from {accepted.source}"
        return offer(places.state, accepted, replace(asked, reason=reason))

    def look(self) -> Look:
        """What lies there now."""
        stamps = looked_at(self._sources())
        there = {file: stamp for file, stamp in stamps.items() if stamp is not None}
        return Look(there, looked_at(self._secrets))

    def _accepted(self) -> tuple[Accepted, Places]:
        """The fleet on the ports of the running one, and where that one is."""
        found = accept(self._file, overlay=self._overlay)
        self._known(found)
        places = fleets.running(self._state or fleets.places_of_name(found.fleet.name).state)
        control = read_config(places).ports.control
        return accept(self._file, overlay=self._overlay, port_base=control), places

    def _known(self, accepted: Accepted) -> None:
        self._secrets = secrets_of(accepted)

    def _sources(self) -> list[Path]:
        if self._file is None:
            return []
        try:
            overlay = chosen_overlay(self._file, self._overlay)
            return [*files_of(self._file), *([overlay] if overlay else [])]
        except BadInput:  # the overlay is not there
            return files_of(self._file)
        except BadFleet:  # no part is there
            return []


def secrets_of(accepted: Accepted) -> set[Path]:
    """The files that a fleet refers to."""
    base = accepted.file.absolute().parent if accepted.file else Path.home()
    return secret_files(accepted.fleet.model_dump(mode="json"), os.environ, base)


def looked_at(files: Iterable[Path]) -> dict[str, Stamp | None]:
    """Their stamps; None for what is not there."""
    return {str(file): _stamp(file) for file in sorted(files)}


def _stamp(file: Path) -> Stamp | None:
    try:
        told = file.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size, told.st_ino
