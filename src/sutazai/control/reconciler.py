"""Brings host and gateway to what the fleet declares, and keeps them there."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping

from sutazai.control.emergency.throttle import Throttle
from sutazai.control.feed import EventFeed
from sutazai.control.follower import Follower
from sutazai.control.ollama import SourceChooser
from sutazai.control.peers import GatewayPeer, HostPeer
from sutazai.control.planning import House, plan_memory, plan_units
from sutazai.control.routing import plan_routes
from sutazai.control.settings import Settings
from sutazai.control.source import Availability, LlmSource, Source, observe
from sutazai.control.uids import Users
from sutazai.fleet.desired import Desired
from sutazai.fleet.errors import BadFleet, BadPeer, Unavailable
from sutazai.fleet.routes import Routes
from sutazai.fleet.secrets import resolve_secret
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
        async with self._one_at_a_time:
            self.source = await self._chooser.choose()
            await self._plan()
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
        async with self._one_at_a_time:
            await self._plan()
            await self._units.align()
        return await self._host.change(unit, verb)

    async def throttle_to(self, cores: float | None) -> None:
        """Holds every agent to so many cores, until None releases them."""
        await asyncio.to_thread(self.throttle.set, cores)
        async with self._one_at_a_time:
            await self._plan()
            await self._units.align()

    async def _plan(self) -> None:
        settings, places = self._settings, self._settings.places
        house = House(
            places,
            settings.config.ports,
            settings.base,
            self._keys,
            self._users,
            codes=settings.codes,
            throttle=self.throttle.cores,
        )
        units = plan_units(settings.fleet, house, self.source, await self._stops.all())
        plan = plan_memory(settings.fleet, self.source)
        self.problems = ()
        routes = plan_routes(
            settings.fleet,
            self.source,
            keys=self._keys,
            token=settings.token,
            llm_address=f"unix:{places.llm_socket}",
            resolve=self._resolved,
        )
        await self._units.offer(Desired(revision=0, units=units, plan=plan))
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
