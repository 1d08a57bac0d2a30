"""Brings host and gateway to what the fleet declares, and keeps them there."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sutazai.control.emergency.throttle import Throttle
from sutazai.control.feed import EventFeed
from sutazai.control.follower import Follower
from sutazai.control.ollama import SourceChooser
from sutazai.control.peers import GatewayPeer, HostPeer
from sutazai.control.planning import Drawings, House, Move, plan_memory, plan_units
from sutazai.control.rollouts.arms import NO_ARMS
from sutazai.control.routing import plan_routes
from sutazai.control.settings import Settings
from sutazai.control.source import Availability, LlmSource, Source, observe
from sutazai.control.uids import Users
from sutazai.fleet.desired import Desired, DesiredUnit
from sutazai.fleet.errors import BadFleet, BadPeer, Unavailable
from sutazai.fleet.routes import Routes
from sutazai.fleet.secrets import resolve_secret
from sutazai.fleet.spec import Fleet
from sutazai.fleet.status import UnitStatus
from sutazai.store import Policies, Stops

EVERY = 2.0
AT_FIRST = 0.2
"""Seconds between two looks until both peers were told for the first time."""

log = logging.getLogger(__name__)


class Reconciler:
    """Computes what should be and pushes it.

    Args:
        every: seconds between two looks at whether the peers are where they should be.
        users: the users that units run as.
        moving: whether agents are on their way to a new version: nothing is planned, then, before
            `take` has said which of them runs what.

    Attributes:
        source: where the model comes from.
        problems: what in the fleet cannot be carried out.
        throttle: what all agents are held to in an emergency.
    """

    def __init__(
        self,
        settings: Settings,
        keys: Mapping[str, str],
        *,
        host: HostPeer,
        gateway: GatewayPeer,
        policies: Policies,
        stops: Stops,
        chooser: SourceChooser,
        feed: EventFeed,
        every: float = EVERY,
        users: Users = Users(),  # noqa: B008 (frozen)
        moving: bool = False,
    ) -> None:
        self.source = LlmSource(Source.EMBEDDED)
        self.problems: tuple[str, ...] = ()
        self.throttle = Throttle(settings.places.throttle)
        self._settings = settings
        self._keys = keys
        self._users = users
        self._host = host
        self._gateway = gateway
        self._stops = stops
        self._chooser = chooser
        self._feed = feed
        self._every = every
        self._available = True
        self._availability = Availability()
        self._move: Move | None = None
        self._drawings = Drawings()
        self._sourced, self._plannable = asyncio.Event(), asyncio.Event()
        if not moving:
            self._plannable.set()
        self._one_at_a_time = asyncio.Lock()
        self._units: Follower[Desired] = Follower(
            "host",
            "desired",
            look=self._host_revision,
            push=host.want,
            policies=policies,
            feed=feed,
        )
        self._calls: Follower[Routes] = Follower(
            "gateway",
            "routes",
            look=self._gateway_revision,
            push=gateway.route,
            policies=policies,
            feed=feed,
        )

    async def run(self) -> None:
        """Reconciles until cancelled."""
        self.source = await self._chooser.choose()
        self._sourced.set()
        await self._plan_anew()
        while True:
            try:
                async with self._one_at_a_time:
                    await asyncio.gather(self._units.align(), self._calls.align())
                    await self._look_for_model()
            except Unavailable as error:  # the database, as on a full disk: it may come back
                log.warning("reconciling goes on later: %s", error)
            settled = self._units.told and self._calls.told
            await asyncio.sleep(self._every if settled else AT_FIRST)

    async def change(self, unit: str, verb: str) -> UnitStatus:
        """`start`, `stop` or `restart` one unit; a stop lasts until a start.

        Raises NotFound, or Unavailable while the host does not answer (a stop or start is then
        carried out when it does).
        """
        if verb == "stop":
            await self._stops.add(unit, time.time())
        else:
            await self._stops.remove(unit)
        await self._plan_anew(self._units)
        return await self._host.change(unit, verb)

    def versions(self, fleet: Fleet, codes: Mapping[str, str], base: Path) -> dict[str, str]:
        """By unit, the digest of what makes its instances, were ``fleet`` in force."""
        keys = {**dict.fromkeys(fleet.agents, ""), **self._keys}
        house = replace(self.house, keys=keys, codes=codes, base=base)
        return {unit.name: unit.version for unit in plan_units(fleet, house, self.source)}

    async def take(self, move: Move | None) -> int:
        """Agents move as ``move`` says from now on, None for not at all; both peers are told at
        once where they answer. The number of the gateway's routes that say so."""
        await self._sourced.wait()
        self._move = move
        self._plannable.set()
        await self._plan_anew(self._calls, self._units)
        return self._calls.revision

    @property
    def planned(self) -> tuple[DesiredUnit, ...]:
        """What the host should run, nothing before the first plan."""
        return self._units.snapshot.units if self._units.snapshot is not None else ()

    async def tell_host_again(self) -> None:
        """Tells the host what it should run, though it has that by its own word."""
        async with self._one_at_a_time:
            self._units.tell_again()
            await self._units.align()

    async def throttle_to(self, cores: float | None) -> None:
        """Holds every agent to so many cores, until None releases them."""
        await asyncio.to_thread(self.throttle.set, cores)
        await self._plan_anew(self._units)

    @property
    def house(self) -> House:
        """Where the fleet lives."""
        return self.house_of(self._settings)

    def house_of(self, settings: Settings) -> House:
        """The same with another revision's code and folder."""
        return House(
            settings.places,
            settings.config.ports,
            settings.base,
            self._keys,
            self._users,
            codes=settings.codes,
            throttle=self.throttle.cores,
        )

    async def _plan_anew(self, *told: Follower[Any]) -> None:
        """Plans as soon as that is possible; these peers are told at once where they answer."""
        await self._plannable.wait()
        async with self._one_at_a_time:
            await self._plan()
            await asyncio.gather(*(each.align() for each in told))

    async def _plan(self) -> None:
        settings, stopped = self._settings, await self._stops.all()
        units = plan_units(
            settings.fleet, self.house, self.source, stopped, self._move, self._drawings
        )
        plan = plan_memory(settings.fleet, self.source)
        desired = Desired(revision=0, units=units, plan=plan, logs=settings.fleet.logs.format)
        self.problems = ()
        routes = plan_routes(
            settings.fleet,
            self.source,
            keys=self._keys,
            token=settings.token,
            llm_address=f"unix:{settings.places.llm_socket}",
            resolve=self._resolved,
            arms=self._move.arms if self._move else NO_ARMS,
        )
        await self._units.offer(desired)
        await self._calls.offer(routes)

    def _resolved(self, reference: str) -> str | None:
        try:
            return resolve_secret(reference, os.environ, self._settings.base)
        except BadFleet as error:
            self.problems += (f"an API key of a backend cannot be had: {error.message}",)
            return None

    async def _host_revision(self) -> int:
        return _revision(await self._host.call("GET", "/desired"))

    async def _gateway_revision(self) -> int:
        stats = await self._gateway.stats()
        self._available = any(backend.available for backend in stats.backends)
        return stats.revision

    async def _look_for_model(self) -> None:
        """While no backend is available for long, another source may be."""
        if self.source.kind is Source.DECLARED:
            return
        self._availability, due = observe(self._availability, self._available, time.monotonic())
        if not due:
            return
        source = await self._chooser.choose_again()
        if source != self.source:
            self.source = source
            await self._feed.add("llm", f"the model now comes from: {source.kind}")
            await self._plan()


def _revision(told: object) -> int:
    revision = told.get("revision") if isinstance(told, dict) else None
    if not isinstance(revision, int):
        raise BadPeer("the host's answer has no revision")
    return revision
