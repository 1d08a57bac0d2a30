"""A gateway under test, with what stands around it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sutazai.fleet.declared import Priority
from sutazai.fleet.facts import Endpoint, EndpointFacts
from sutazai.fleet.places import Places
from sutazai.fleet.routes import BackendRoute, Door, Key, Routes, TierRoute
from sutazai.gateway.app import Gateway, Listening
from sutazai.gateway.doors.listeners import OwnSockets
from sutazai.gateway.state import NO_ROUTES
from sutazai.wire import Address, Client, ListenerSpec, Server
from tests.gateway.fake_backend import FakeBackend

KEY = "planner-key"
TIERS = (TierRoute(name="fast"), TierRoute(name="standard"), TierRoute(name="complex"))
KEYS = (
    Key(name="planner", secret=KEY, priority=Priority.HIGH),
    Key(name="worker", secret="worker-key", priority=Priority.LOW),
)


class CountingSockets(OwnSockets):
    """Opens its own sockets on free ports, and says which."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: dict[str, int] = {}

    async def open(self, server: Server, wanted: Iterable[ListenerSpec]) -> None:
        for spec in wanted:
            self.ports[spec.name] = await server.listen_tcp(spec.host, spec.port, spec.name)


def route(backend: FakeBackend, name: str = "one", **more: Any) -> BackendRoute:
    return BackendRoute(
        **{"name": name, "address": backend.url, "dialect": backend.dialect, "slots": 2, **more}
    )


@dataclass
class House:
    places: Places
    client: Client
    sockets: CountingSockets = field(default_factory=CountingSockets)
    gateway: Gateway | None = None
    sequence: int = 0
    routes: Routes = NO_ROUTES

    async def start(self, *backends: BackendRoute, **more: Any) -> None:
        """Starts the gateway with these backends and waits until they were looked at."""
        await self.start_as_kept()
        await self.route(*backends, **more)
        if backends:
            await self.wait_for(lambda stats: all(b["available"] for b in stats["backends"]))

    async def start_as_kept(self) -> None:
        """Starts the gateway with nothing but what is on disk."""
        self.gateway = Gateway(self.places, Listening("127.0.0.1", 0), opener=self.sockets)
        await self.gateway.start()

    async def route(self, *backends: BackendRoute, **more: Any) -> Any:
        """Pushes routes as control does."""
        values = {"tiers": TIERS, "keys": KEYS, "revision": self.routes.revision + 1, **more}
        self.routes = Routes(backends=backends, **values)
        return await self.api("PUT", "/routes", self.routes.model_dump(mode="json"))

    async def facts(self, *ready: Endpoint, gone: tuple[str, ...] = (), full: bool = False) -> Any:
        """Tells of instances as the host does."""
        self.sequence += 1
        facts = EndpointFacts(
            incarnation="h1", sequence=self.sequence, full=full, ready=ready, gone=gone
        )
        return await self.api("POST", "/facts", facts.model_dump(mode="json"))

    async def api(self, method: str, path: str, value: Any = None) -> Any:
        address = Address.parse(f"unix:{self.places.gateway_socket}")
        return await self.client.call(method, address, path, value)

    async def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.api("GET", "/stats")
        return found

    async def wait_for(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The stats, once ``condition`` holds of them."""
        async with asyncio.timeout(60):
            while not condition(stats := await self.stats()):
                await asyncio.sleep(0.01)
        return stats

    async def close(self) -> None:
        if self.gateway is not None:
            await self.gateway.close()
            self.gateway = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.sockets.ports['gateway']}"

    @property
    def address(self) -> Address:
        return Address.parse(self.url)

    @property
    def agents_address(self) -> Address:
        return Address.parse(f"unix:{self.places.agents_socket}")

    def door(self, agent: str) -> Address:
        return Address.parse(f"http://127.0.0.1:{self.sockets.ports[f'agent:{agent}']}")

    async def post(
        self,
        path: str,
        value: Any,
        *,
        key: str | None = None,
        address: Address | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Reply:
        """One request, its answer read to the end."""
        sent = [("content-type", "application/json"), *headers]
        if key is not None:
            sent.append(("authorization", f"Bearer {key}"))
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        response = await self.client.request(
            "POST", address or self.address, path, headers=sent, body=body
        )
        async with response:
            data = await response.read()
        return Reply(response.status, dict(response.headers), data)

    async def get(
        self, path: str, *, key: str | None = None, address: Address | None = None
    ) -> Reply:
        headers = [] if key is None else [("authorization", f"Bearer {key}")]
        response = await self.client.request("GET", address or self.address, path, headers=headers)
        async with response:
            data = await response.read()
        return Reply(response.status, dict(response.headers), data)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def lines(self) -> list[Any]:
        """The objects of an NDJSON stream."""
        return [json.loads(line) for line in self.data.splitlines()]

    @property
    def events(self) -> list[Any]:
        """The objects of an SSE stream, and `[DONE]`."""
        found = []
        for block in self.data.decode().split("\n\n"):
            if block.startswith("data: "):
                text = block.removeprefix("data: ")
                found.append(text if text == "[DONE]" else json.loads(text))
        return found


def door(agent: str, **more: Any) -> Door:
    return Door(agent=agent, **more)
