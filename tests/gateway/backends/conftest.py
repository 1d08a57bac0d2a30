"""Backends under test, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import BackendRoute, TierRoute
from sutazai.gateway.backends.breakers import Party
from sutazai.gateway.backends.registry import Backends
from sutazai.gateway.backends.state import BackendState
from sutazai.gateway.queue.lanes import Backend
from sutazai.wire import Client
from tests.gateway.backends.servers import FakeServer, Ollama, VirtualTime
from tests.gateway.conftest import until

TIERS = (TierRoute(name="fast"), TierRoute(name="standard"))


def declare(server: FakeServer | str, name: str = "one", **more: Any) -> BackendRoute:
    """The route of ``server``, by its own address or the one given."""
    dialect = Dialect.OLLAMA if isinstance(server, Ollama) else Dialect.OPENAI
    address = server if isinstance(server, str) else server.url
    return BackendRoute(**{"name": name, "address": address, "dialect": dialect, **more})


class Household:
    """The registry with what a test needs around it."""

    def __init__(self, client: Client) -> None:
        self.time = VirtualTime()
        self.scheduled: dict[str, Backend] = {}
        self.running: dict[str, int] = {}
        self.waiting = 0
        self.trips: list[tuple[str, str, frozenset[Party]]] = []
        self.backends = Backends(
            client,
            self._changed,
            load=lambda name: (self.running.get(name, 0), self.waiting),
            tripped=lambda *trip: self.trips.append(trip),
            clock=self.time.clock,
            wall=self.time.wall,
        )

    def _changed(self, backends: Collection[Backend]) -> None:
        self.scheduled = {backend.name: backend for backend in backends}

    def state(self, name: str = "one") -> BackendState:
        return self.backends.state(name)

    async def open(self, *routes: BackendRoute, tiers: Any = TIERS, **more: Any) -> None:
        """Declares backends, and waits until each was looked at."""
        await self.backends.apply(routes, tiers, **more)
        await self.until(lambda: all(each.models is not None for each in self.backends.states))

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition)

    async def turn(self, seconds: float = 0.0, **what: Any) -> None:
        """Time passes, then a round of what is due."""
        self.time.pass_(seconds)
        self.backends.attend(**what)


@pytest.fixture
async def household(client: Client) -> AsyncIterator[Household]:
    made = Household(client)
    yield made
    await made.backends.close()
