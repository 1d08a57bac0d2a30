"""Which fleet a command means, and whether it runs.

The state folder says it: ``--state`` (or ``SUTAZAI_STATE``), else the one of the fleet that
./fleet.yaml names, else the only one that runs, else the default one.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from sutazai.cli.sweep import mark_of, marked
from sutazai.fleet.errors import BadInput, NotRunning
from sutazai.fleet.places import DEFAULT_FLEET, Places, state_root

LOCAL_FILE = Path("fleet.yaml")

# A fleet file is a block mapping, so a name at the first column is the fleet's. Reading the whole
# file as YAML would cost `status` more time than everything else it does.
_NAME = re.compile(r"^name:[ \t]*[\"']?([a-z][a-z0-9-]*)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)


def chosen(state: Path | None) -> Places:
    """The places of the fleet that is meant, running or not.

    Raises BadInput where several fleets run and nothing says which.
    """
    if state is not None:
        return Places.of(state)
    return _named_here() or _only_running() or default_places()


def running(state: Path | None) -> Places:
    """The places of the running fleet that is meant. Raises NotRunning with what to type."""
    places = chosen(state)
    if not is_running(places):
        raise _not_running(places, state)
    return places


def default_places() -> Places:
    """The places of the fleet that is started where nothing else is said."""
    return places_of_name(DEFAULT_FLEET)


def places_of_name(fleet: str) -> Places:
    """The places of a fleet by its name."""
    return Places.of(state_root() / fleet)


def known() -> list[Places]:
    """Every fleet that ever ran below the common state folder."""
    root = state_root()
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [Places.of(folder) for folder in folders if Places.of(folder).config.is_file()]


def is_running(places: Places) -> bool:
    """Whether a living keeper holds the fleet's lock."""
    try:
        descriptor = os.open(places.lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def named_in(file: Path) -> Places | None:
    """The places of the fleet that ``file`` names, or None. Raises FileNotFoundError."""
    found = _NAME.search(file.read_text(encoding="utf-8", errors="replace"))
    return places_of_name(found[1]) if found else None


def _named_here() -> Places | None:
    return named_in(LOCAL_FILE) if LOCAL_FILE.is_file() else None


def _only_running() -> Places | None:
    alive = [places for places in known() if is_running(places)]
    if len(alive) > 1:
        folders = "\n".join(f"--state {places.state}" for places in alive)
        names = ", ".join(places.state.name for places in alive)
        raise BadInput(f"several fleets run: {names}", hint=f"say which one:\n{folders}")
    return alive[0] if alive else None


def _not_running(places: Places, state: Path | None) -> NotRunning:
    facts = {"state": str(places.state)}
    option = f" --state {state}" if state else ""
    if marked(mark_of(places)):
        return NotRunning(
            f"the keeper of the fleet on {places.state} was killed",
            hint=f"sutazai up{option} ends what it left and starts anew, sutazai down{option} "
            "ends it only",
            **facts,
        )
    others = [other for other in known() if is_running(other)]
    lines = [f"start one: sutazai up{option}"]
    lines += [f"one that runs: --state {other.state}" for other in others]
    return NotRunning(f"no fleet runs on {places.state}", hint="\n".join(lines), **facts)
