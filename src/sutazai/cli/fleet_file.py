"""Reads and checks the fleet file that a command is given."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from sutazai.cli.fleets import LOCAL_FILE
from sutazai.cli.model_check import model_size, with_model_path
from sutazai.cli.overlay import NONE, overlay_of
from sutazai.cli.programs import missing_programs
from sutazai.fleet.checks import check_fleet
from sutazai.fleet.errors import BadInput
from sutazai.fleet.fit import Machine
from sutazai.fleet.load import LoadedFleet, load, parse
from sutazai.fleet.ports import moved
from sutazai.fleet.problems import Problem, refuse_errors
from sutazai.fleet.profiles import profile_text
from sutazai.fleet.spec import Fleet
from sutazai.host.isolation import allowed
from sutazai.host.machine import read_gpus, read_machine

DEFAULT_PROFILE = "default"


@dataclass(frozen=True)
class Accepted:
    """A fleet that can be started. ``file`` is None for the built-in one; for a folder of parts it
    is the one from which relative paths count, whether it is there or not."""

    fleet: Fleet
    file: Path | None
    warnings: tuple[Problem, ...]
    overlay: Path | None = None

    @property
    def source(self) -> str:
        """Where it came from, for people."""
        overlay = f" with {self.overlay}" if self.overlay else ""
        return f"{self.file}{overlay}" if self.file else "the built-in fleet"


def accept(
    file: Path | None,
    *,
    overlay: str | None = None,
    port_base: int | None = None,
    placed: Path | None = None,
) -> Accepted:
    """The fleet of ``file``, or the built-in one, with all ports moved to ``port_base``.

    Args:
        overlay: name of the overlay that lies over it; without it, this machine's if there is one.
        placed: where ``file`` is going to lie, if not where it is.

    Raises BadFleet with every error at once, BadInput for a port base that does not fit and an
    overlay that is not there.
    """
    over = chosen_overlay(file, overlay)
    loaded = load(file, overlay=over) if file else _built_in()
    known = placed or file
    known = known / LOCAL_FILE.name if known and file and file.is_dir() else known
    fleet = with_model_path(loaded.fleet, known)
    if port_base is not None:
        fleet = moved(fleet, port_base)
    machine = replace(
        this_machine(model_size(fleet)), missing=missing_programs(fleet), gpu=_gpu_memory(fleet)
    )
    warnings = refuse_errors(check_fleet(fleet, machine, loaded.positions))
    return Accepted(fleet, known, tuple(warnings), over)


def chosen_overlay(file: Path | None, wanted: str | None) -> Path | None:
    """The overlay that lies over ``file`` here. Raises BadInput where the wanted one is missing."""
    if file is not None:
        return overlay_of(file, wanted, socket.gethostname())
    if wanted not in (None, NONE):
        raise BadInput("an overlay lies over a fleet file, and none is given here")
    return None


def meant(file: Path | None) -> Path | None:
    """``file``, else ./fleet.yaml where it is there, else None: the built-in fleet."""
    return file or (LOCAL_FILE if LOCAL_FILE.is_file() else None)


def this_machine(model: int | None) -> Machine:
    """What a fleet that is started from here may use.

    Args:
        model: bytes of the embedded model's file, or None.
    """
    found = read_machine()
    # Where the kernel does not tell its memory nothing can be refused for the want of it.
    return Machine(
        found.memory.usable or sys.maxsize,
        found.cores.usable,
        model,
        landlock=allowed().landlock,
        cpus=frozenset(os.sched_getaffinity(0)),
    )


def _gpu_memory(fleet: Fleet) -> int | None:
    """Bytes of GPU memory, None where no tool tells them; none is asked where nobody wants any."""
    if not any(unit.gpu_memory for unit in (*fleet.agents.values(), *fleet.services.values())):
        return None
    totals = [gpu.memory_total for gpu in asyncio.run(read_gpus())]
    known = [total for total in totals if total is not None]
    return sum(known) if known else None


def _built_in() -> LoadedFleet:
    return parse(profile_text(DEFAULT_PROFILE), file="")
