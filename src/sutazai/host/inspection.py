"""What running instances are really held to: their control groups, and their environment as far as
the kernel tells it. Values of variables stay here, for they may be secrets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.drift import InstanceHeld
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.secrets import FILE_PREFIX, resolve_secret
from sutazai.fleet.spec import Runtime
from sutazai.fleet.status import State
from sutazai.host.instances.instance import Instance
from sutazai.host.instances.launcher import PORT, replaced
from sutazai.host.machine import environment_of
from sutazai.host.machine.reading import ROOT
from sutazai.host.units.supervisor import Supervisor
from sutazai.wire import Request, Response, Router, json_response

FORKED = "forked, so only files of secrets that changed since then can be seen"
CONTAINED = "made by the container engine"
GONE = "not to be seen"
OTHER, MISSING, CHANGED = "another value", "missing", "its file has changed since the start"


@dataclass(frozen=True)
class Inspection:
    """Looks at all instances; in a thread, for that is a few small files each."""

    supervisor: Supervisor
    root: Path = ROOT

    def serve(self, router: Router) -> None:
        """Adds its endpoint to ``router``."""
        router.add("GET", "/held", self._held)

    async def _held(self, request: Request) -> Response:
        running = [
            (unit.spec, one)
            for unit in self.supervisor.units
            for one in unit.instances
            if one.state not in (State.STOPPING, State.FROZEN) and not one.record.attached
        ]
        found = await asyncio.to_thread(lambda: [self._one(*each) for each in running])
        return json_response([each.model_dump(mode="json") for each in found])

    def _one(self, spec: DesiredUnit, instance: Instance) -> InstanceHeld:
        usage = instance.usage()
        held = InstanceHeld(
            unit=spec.name,
            instance=instance.name,
            grouped=usage is not None and usage.memory is not None,
            memory=usage.limit if usage else None,
            cores=usage.cores if usage else None,
        )
        return held.model_copy(update=self._environment(spec, instance))

    def _environment(self, spec: DesiredUnit, instance: Instance) -> dict[str, object]:
        if spec.runtime is Runtime.CONTAINER:
            return {"why": CONTAINED}
        seen = environment_of(instance.process.pid, self.root)
        if seen is None:
            return {"why": GONE}
        if seen.get("SUTAZAI_INSTANCE") == instance.name:
            port = (instance.record.address or "").rpartition(":")[2]
            return _told(differing(spec, seen, port=port), len(spec.environment), "")
        files = {name: text for name, text in spec.environment.items() if _is_file(text)}
        return _told(changed(spec, files, instance.record.started), len(files), FORKED)


def differing(spec: DesiredUnit, seen: Mapping[str, str], *, port: str) -> dict[str, str]:
    """Declared variables that a process started otherwise with, and how; never their values."""
    found = {}
    for name, text in spec.environment.items():
        with suppress(BadFleet):  # a secret that cannot be read now is no other one
            wanted = _resolved(spec, replaced(text, {PORT: port}))
            if name not in seen:
                found[name] = MISSING
            elif seen[name] != wanted:
                found[name] = OTHER
    return found


def changed(spec: DesiredUnit, files: Mapping[str, str], started: float) -> dict[str, str]:
    """Variables whose secret's file was written after ``started``, in seconds since 1970."""
    found = {}
    for name, text in files.items():
        with suppress(OSError):
            path = Path(spec.directory or "/") / text.removeprefix(FILE_PREFIX)
            if path.stat().st_mtime > started:
                found[name] = CHANGED
    return found


def _resolved(spec: DesiredUnit, text: str) -> str:
    return resolve_secret(text, os.environ, Path(spec.directory or "/"))


def _is_file(text: str) -> bool:
    return text.startswith(FILE_PREFIX) and not text.startswith((f"{FILE_PREFIX}~", "file:${"))


def _told(found: dict[str, str], variables: int, why: str) -> dict[str, object]:
    return {"differing": found, "variables": variables, "why": why}
