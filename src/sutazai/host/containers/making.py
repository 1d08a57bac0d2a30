"""Makes the container of a new instance: its network, its environment, its limits."""

from __future__ import annotations

import importlib
import resource
from collections.abc import Mapping

from sutazai.fleet.desired import GATEWAY, Container, DesiredUnit
from sutazai.fleet.errors import Failed
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Network
from sutazai.host.containers.bridge import Bridge
from sutazai.host.containers.engine import Engine, Facts
from sutazai.host.containers.place import ContainerPlace, read_place, write_place
from sutazai.host.containers.plan import Hard, Plan, labels_of, plan_of, port_within
from sutazai.host.containers.threads import in_thread
from sutazai.host.endpoints import Endpoints
from sutazai.host.instances.launcher import PORT, replaced, resolved_environment
from sutazai.host.instances.records import Record
from sutazai.host.limits import limit_of

CREATING = "sutazai.host.containers.creating"
"""Imported when the first container is made."""


class Maker:
    """Makes containers for one fleet."""

    def __init__(self, places: Places, endpoints: Endpoints) -> None:
        self._file = places.containers
        self._fleet = str(places.state)
        self._bridge = Bridge(places, endpoints)

    async def make(
        self, unit: DesiredUnit, container: Container, engine: Engine, record: Record, outer: str
    ) -> Facts:
        """What the engine tells of the container that it made and started.

        Args:
            outer: the port on loopback where it is to be reached; empty for none.

        Raises Failed, BadFleet (a secret that cannot be read).
        """
        self._note(engine)
        bridged = container.network is Network.BRIDGE
        address = await self._bridge.make(engine.socket) if bridged else ""
        stands_for = {PORT: port_within(container, outer)}
        calls_gateway = any(GATEWAY in text for text in unit.environment.values())
        if calls_gateway:
            stands_for[GATEWAY] = self._bridge.gateway(container.network, address)
        facts = await _made(engine, self._plan(unit, container, record, outer, stands_for))
        if calls_gateway and bridged:
            self._bridge.open(address)
            self._note(engine, address)
        return facts

    def _plan(
        self,
        unit: DesiredUnit,
        container: Container,
        record: Record,
        outer: str,
        stands_for: Mapping[str, str],
    ) -> Plan:
        return plan_of(
            unit,
            container,
            limit_of(unit),
            name=record.container,
            command=tuple(replaced(word, stands_for) for word in unit.command),
            environment=_environment(unit, record.instance, stands_for),
            labels=labels_of(unit, record.instance, self._fleet),
            outer=outer,
            network=self._bridge.name,
            hard=_hard(),
        )

    def _note(self, engine: Engine, address: str = "") -> None:
        """On disk before anything is made there; what is known of the bridge stays known."""
        before = read_place(self._file)
        known = address or (before.gateway if before else "")
        place = ContainerPlace(socket=engine.socket, network=self._bridge.name, gateway=known)
        if place != before:
            write_place(self._file, place)


async def _made(engine: Engine, plan: Plan) -> Facts:
    def create() -> str:
        return str(importlib.import_module(CREATING).create(engine.socket, plan))

    facts = await engine.inspect(await in_thread(f"create {plan.name}", create))
    if facts is None:
        raise Failed(f"the container {plan.name} was removed as soon as it was made")
    return facts


def _environment(unit: DesiredUnit, instance: str, stands_for: Mapping[str, str]) -> dict[str, str]:
    port = {"PORT": stands_for[PORT]} if stands_for[PORT] else {}
    return {**port, **resolved_environment(unit, stands_for), "SUTAZAI_INSTANCE": instance}


def _hard() -> Hard:
    """What the engine, mostly started by the same system, can be expected to be bound by too."""

    def bound(kind: int) -> int | None:
        _, hard = resource.getrlimit(kind)
        return None if hard == resource.RLIM_INFINITY else hard

    return Hard(open_files=bound(resource.RLIMIT_NOFILE), processes=bound(resource.RLIMIT_NPROC))
