"""What units and their instances are really held to: their versions, their control groups, and
their environment as far as the kernel tells it. Values of variables stay here, for they may be
secrets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sutazai.fleet.desired import DesiredUnit, Kind
from sutazai.fleet.drift import HostHeld, InstanceHeld
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.secrets import FILE_PREFIX, resolve_secret
from sutazai.fleet.spec import Runtime
from sutazai.fleet.status import State
from sutazai.host.instances.instance import Instance
from sutazai.host.instances.launcher import PORT, replaced
from sutazai.host.machine import environment_of
from sutazai.host.machine.reading import ROOT
from sutazai.host.units.supervisor import Supervisor
from sutazai.wire import Request, Response, Router

FORKED = "forked, so only files of secrets that changed since then can be seen"
CONTAINED = "made by the container engine"
GONE = "not to be seen"
OTHER, MISSING, CHANGED = "another value", "missing", "its file has changed since the start"


@dataclass(frozen=True)
class Inspection:
    """Looks at all instances; in a thread, for that is a few small files each.

    Args:
        keeper: the process id of who started this host.
        caps_cpu: whether instances can be held to a part of a core.
    """

    supervisor: Supervisor
    keeper: int
    caps_cpu: bool
    root: Path = ROOT

    def serve(self, router: Router) -> None:
        """Adds its endpoint to ``router``."""
        router.add("GET", "/held", self._answer)

    async def _answer(self, request: Request) -> Response:
        there = [(unit.spec, one) for unit in self.supervisor.awake for one in unit.instances]
        running = [each for each in there if _goes_on(each[1])]
        held = HostHeld(
            told={unit.name: unit.version for unit in self.supervisor.desired.units},
            pids=self._own() | {one.process.pid for _, one in there},
            caps_cpu=self.caps_cpu,
            instances=await asyncio.to_thread(lambda: [self._one(*each) for each in running]),
        )
        return Response(
            200, [("content-type", "application/json")], held.model_dump_json().encode()
        )

    def _own(self) -> set[int]:
        """This process and, while it is there, the one that keeps it."""
        return {os.getpid(), self.keeper} if os.getppid() == self.keeper else {os.getpid()}

    def _one(self, spec: DesiredUnit, instance: Instance) -> InstanceHeld:
        bounds = instance.bounds()
        return InstanceHeld(
            unit=spec.name,
            instance=instance.name,
            version=instance.record.version,
            plane=spec.kind is Kind.PLANE,
            starting=instance.state is State.STARTING,
            grouped=bounds is not None,
            memory=bounds.memory if bounds else None,
            cores=bounds.cores if bounds else None,
            **self._environment(spec, instance),
        )

    def _environment(self, spec: DesiredUnit, instance: Instance) -> dict[str, Any]:
        if spec.runtime is Runtime.CONTAINER:
            return {"why": CONTAINED}
        if spec.runtime is Runtime.PYTHON:
            files = {name: text for name, text in spec.environment.items() if _is_file(text)}
            return _told(changed(spec, files, instance.record.started), len(files), FORKED)
        seen = environment_of(instance.process.pid, self.root)
        if seen is None:
            return {"why": GONE}
        port = (instance.record.address or "").rpartition(":")[2]
        return _told(differing(spec, seen, port=port), len(spec.environment), "")


def _goes_on(instance: Instance) -> bool:
    leaving = instance.state in (State.STOPPING, State.FROZEN)
    return not leaving and not instance.record.attached


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


def _told(found: dict[str, str], variables: int, why: str) -> dict[str, Any]:
    return {"differing": found, "variables": variables, "why": why}
