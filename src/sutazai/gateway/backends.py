"""The LLM servers behind the gateway: which there are, which are available, what they have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from sutazai.fleet.errors import NoModel, SutazaiError
from sutazai.fleet.routes import BackendRoute, TierRoute
from sutazai.gateway.catalogue import Catalogue, Served, Target, build_catalogue
from sutazai.gateway.discovery import BackendState, Watch
from sutazai.gateway.scheduler import Backend
from sutazai.wire import Client

REFRESH_EVERY = 1.0
"""Unknown names make the gateway look again at most this often, in seconds."""

REFRESH_WAIT = 2.0
"""Longest that a caller with an unknown name waits for that look, in seconds."""


class Backends:
    """Watches over all backends and keeps the catalogue of their models.

    Args:
        changed: told the scheduler's view of the backends whenever it is another.
    """

    def __init__(self, client: Client, changed: Callable[[Collection[Backend]], None]) -> None:
        self._client = client
        self._changed = changed
        self._watches: dict[str, Watch] = {}
        self._tiers: tuple[TierRoute, ...] = ()
        self._refreshed = float("-inf")
        self.catalogue = build_catalogue((), ())

    @property
    def states(self) -> list[BackendState]:
        return [watch.state for watch in self._watches.values()]

    def state(self, name: str) -> BackendState:
        """Raises NoModel where the backend is not declared any more."""
        watch = self._watches.get(name)
        if watch is None:
            raise NoModel(f"the backend {name!r} is not declared any more", hint="try again")
        return watch.state

    async def apply(self, routes: Sequence[BackendRoute], tiers: Sequence[TierRoute]) -> None:
        """Watch over these backends from now on; those that are the same stay as they are."""
        declared = {route.name: route for route in routes}
        outdated = {
            name: watch
            for name, watch in self._watches.items()
            if declared.get(name) != watch.state.route
        }
        self._tiers = tuple(tiers)
        kept = {name: watch for name, watch in self._watches.items() if name not in outdated}
        self._watches = {
            name: kept.get(name) or Watch(self._client, route, self._rebuild)
            for name, route in declared.items()
        }
        self._rebuild()
        await asyncio.gather(*(watch.close() for watch in outdated.values()))

    def failed(self, name: str, reason: str) -> None:
        """A call could not reach the backend."""
        if name in self._watches:
            self._watches[name].failed(reason)

    async def resolve(self, asked: str | None) -> Target:
        """The target that a client means; looks again at the backends before it says no.

        Raises UnknownModel or NoModel.
        """
        try:
            return self.catalogue.resolve(asked)
        except SutazaiError:
            await self._refresh()
            return self.catalogue.resolve(asked)

    async def close(self) -> None:
        await asyncio.gather(*(watch.close() for watch in self._watches.values()))

    async def _refresh(self) -> None:
        now = time.monotonic()
        if not self._watches or now - self._refreshed < REFRESH_EVERY:
            return
        self._refreshed = now
        looks = [asyncio.create_task(watch.look()) for watch in self._watches.values()]
        try:
            await asyncio.wait(looks, timeout=REFRESH_WAIT)
        finally:
            for look in looks:
                look.cancel()

    def _rebuild(self) -> None:
        states = self.states
        self.catalogue = build_catalogue(
            [Served(state.route.name, state.models) for state in states], self._tiers
        )
        self._changed([_scheduled(state, self.catalogue) for state in states])


def _scheduled(state: BackendState, catalogue: Catalogue) -> Backend:
    route = state.route
    return Backend(
        name=route.name,
        slots=route.slots,
        weight=route.weight,
        available=state.available,
        targets=catalogue.targets_of(route.name),
    )
