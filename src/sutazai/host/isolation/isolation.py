"""Decides what each instance is kept behind, and prepares it: its user, its home, its view."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sutazai.agent.confinement import Walls
from sutazai.fleet.desired import DesiredUnit, Isolation, Kind
from sutazai.fleet.errors import Failed
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Runtime
from sutazai.fleet.status import IsolationStatus
from sutazai.host.isolation.fences import fence_of
from sutazai.host.isolation.homes import SCRATCH, check_writable, make_folders, make_home
from sutazai.host.isolation.machine import Allowed
from sutazai.host.isolation.paths import both, closed_above, environment, is_in, is_open
from sutazai.host.isolation.views import Views

Seen = tuple[str, ...]
"""Full paths that an instance has to see."""

PROCESSES = (Runtime.PYTHON, Runtime.COMMAND)
"""Runtimes whose processes are ours to isolate."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """How one instance is kept.

    Args:
        walls: what it goes behind; None leaves it as it is.
        environment: what it is told of that.
        uid: its own user, None for the host's.
    """

    walls: Walls | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None


class Isolator:
    """Keeps the instances of one fleet from each other, as far as the machine allows."""

    def __init__(self, places: Places, allowed: Allowed) -> None:
        self._places = places
        self._allowed = allowed
        self._environment = environment()
        self._views = Views(places, self._environment)
        self._found: dict[str, tuple[str, str]] = {}

    def expect(self, units: Iterable[DesiredUnit]) -> None:
        """These units are wanted; called before they start."""
        kept = [unit for unit in units if unit.isolation is not None]
        self._views.expect(path for unit in kept for path in self._seen(unit, unit.python))

    async def keep(self, unit: DesiredUnit, python: str | None) -> Kept:
        """Prepares what an instance of ``unit`` is kept behind.

        ``python`` is the interpreter of its environment, None for our own.

        Raises Failed where it declared something that cannot be held here.
        """
        wanted = unit.isolation
        if wanted is None:
            return Kept()
        self._refuse_what_cannot_be_held(unit, wanted)
        made = make_folders(wanted.writes or ())
        seen = self._seen(unit, python)
        uid = None if await self._look(unit, seen) else wanted.uid
        home = self._places.home(unit.name)
        make_home(home, uid)
        if uid is not None:
            for path in made:
                os.chown(path, uid, uid)
            for path in wanted.writes or ():
                check_writable(path, uid, unit.name)
        return Kept(
            walls=await self._walls(unit, seen, uid),
            environment=_told(unit, home, own=uid is not None),
            uid=uid,
        )

    async def status(self, units: Iterable[DesiredUnit]) -> IsolationStatus:
        """How the instances of ``units`` are kept, and why no better."""
        own, reasons = 0, dict[str, list[str]]()
        for unit in units:
            if unit.runtime in PROCESSES and unit.kind is not Kind.PLANE:
                why = await self._known(unit)
                own += not why
                reasons.setdefault(why, []).append(unit.name)
        told = [_sentence(why, names) for why, names in reasons.items() if why]
        hidden = await self._views.hides()
        return IsolationStatus(
            own=own,
            shared=sum(len(names) for why, names in reasons.items() if why),
            landlock=self._allowed.landlock,
            hidden=hidden,
            why=(*told, *([] if hidden else [self._views.refused])),
        )

    def close(self) -> None:
        """Lets go of the views; instances stay in them."""
        self._views.close()

    async def _walls(self, unit: DesiredUnit, seen: Seen, uid: int | None) -> Walls:
        wanted = unit.isolation or Isolation()
        view = await self._views.find(seen, own=uid is not None)
        alone = wanted.egress == () and unit.runtime is Runtime.PYTHON
        entered = (
            (*view.entered, *([view.network] if alone and view.network else [])) if view else ()
        )
        fence = fence_of(
            wanted,
            str(self._places.home(unit.name)),
            {*self._environment, *seen},
            ports=self._allowed.ports,
        )
        return Walls(
            namespaces=entered,
            uid=uid,
            groups=(uid,) if uid is not None else (),
            landlock=self._allowed.landlock > 0,
            fence=fence,
        )

    async def _known(self, unit: DesiredUnit) -> str:
        """What was found when this version was last looked at: status is asked for often."""
        version, why = self._found.get(unit.name, ("", ""))
        if version == unit.version:
            return why
        return await self._look(unit, self._seen(unit, unit.python))

    async def _look(self, unit: DesiredUnit, seen: Seen) -> str:
        why = await self._why_not_own(unit, seen)
        self._found[unit.name] = unit.version, why
        return why

    async def _why_not_own(self, unit: DesiredUnit, seen: Seen) -> str:
        """Why ``unit`` does not run as a user of its own; empty where it does."""
        wanted = unit.isolation
        if wanted is None:
            return "declared so by `run_as: host`"
        if not self._allowed.root:
            return "users of their own take root"
        if wanted.uid is None:
            return wanted.why
        if closed := self._closed_to(unit, seen, wanted.uid):
            return f"{closed} is closed to other users; move it, or chmod o+rX"
        return await self._views.why_not_own(seen, wanted.uid)

    def _closed_to(self, unit: DesiredUnit, seen: Seen, uid: int) -> str:
        """What ``unit`` needs and a user of its own could not reach, even in a view."""
        for path in seen:
            if not is_open(path, uid):
                return path
        reachable = (*self._environment, *seen)
        words = [shutil.which(word) or word for word in unit.command[:1]] + [*unit.command[1:]]
        for path in both(*words):
            if not is_in(path, reachable) and (folders := closed_above(path)):
                return folders[0]
        return ""

    def _seen(self, unit: DesiredUnit, python: str | None) -> Seen:
        """What a view must show for ``unit``: its code, its environment, the paths it declared."""
        wanted = unit.isolation or Isolation()
        links = (python, os.path.realpath(python)) if python else ()
        prefixes = (str(Path(link).parent.parent) for link in links)
        declared = (*(wanted.reads or ()), *(wanted.writes or ()))
        return tuple(both(*self._code(unit), *prefixes, *declared))

    def _code(self, unit: DesiredUnit) -> tuple[str, ...]:
        """Its folder, where that is not just its home, and the module of its class."""
        folder = unit.directory
        if folder is None or folder == str(self._places.home(unit.name)):
            return ()
        if unit.entry is None:
            return (folder,)
        return folder, f"{folder}/{unit.entry.partition(':')[0].replace('.', '/')}.py"

    def _refuse_what_cannot_be_held(self, unit: DesiredUnit, wanted: Isolation) -> None:
        declared = wanted.reads is not None or wanted.writes is not None
        if declared and not self._allowed.landlock:
            raise Failed(
                f"`reads` and `writes` of {unit.name} cannot be held: this kernel has no Landlock",
                hint="sutazai doctor says what this machine allows; or remove them",
            )
        if wanted.egress is not None and not self._allowed.ports:
            raise Failed(
                f"`egress` of {unit.name} cannot be held: Landlock of this kernel knows no ports",
                hint="Linux 6.7 or newer can; or remove `egress`",
            )


def _told(unit: DesiredUnit, home: Path, *, own: bool) -> dict[str, str]:
    wanted = unit.isolation or Isolation()
    told = {"SUTAZAI_HOME": str(home)}
    if own:
        told |= {"HOME": str(home), "USER": unit.name, "LOGNAME": unit.name}
    if wanted.reads is not None or wanted.writes is not None:
        told["TMPDIR"] = str(home / SCRATCH)
    return told


def _sentence(why: str, names: list[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown}: {why}"
