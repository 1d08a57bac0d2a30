"""Agents of the real SDK around a gateway under test, each on a socket of its own."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sutazai.agent import Agent
from sutazai.agent.identity import Identity
from sutazai.agent.server import InstanceServer
from sutazai.fleet.facts import Endpoint
from sutazai.fleet.routes import Door, Key
from sutazai.wire import Client, Server
from tests.gateway.house import House

A = TypeVar("A", bound=Agent)


@dataclass
class Crew:
    """The agents of one fleet. Use as ``async with``."""

    house: House
    names: tuple[str, ...]
    more: dict[str, Any] = field(default_factory=dict)
    ready: dict[str, Endpoint] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    started: int = 0

    async def __aenter__(self) -> Crew:
        self._stack = AsyncExitStack()
        self._client = await self._stack.enter_async_context(Client())
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in list(self.servers):
            await self.stop(name)
        await self._stack.aclose()

    async def open(self, **more: Any) -> None:
        """Starts the gateway with a key and a door for each name."""
        self.more |= more
        await self.house.start_as_kept()
        await self.route()

    async def route(self, **more: Any) -> None:
        self.more |= more
        await self.house.route(**self.routes)
        await self.tell()

    @property
    def routes(self) -> dict[str, Any]:
        return {
            "doors": tuple(Door(agent=name) for name in self.names),
            "keys": tuple(Key(name=name, secret=f"{name}-key", agent=True) for name in self.names),
            **self.more,
        }

    async def hire(self, kind: type[A], name: str) -> A:
        """A running instance of an agent; the gateway knows where."""
        self.started += 1
        path = self.house.places.runtime / f"{name}-{self.started}.sock"
        instance = f"{name}-{self.started}"
        agent = kind(self.identity(name, instance), self._client)
        await agent.start()
        server = self.servers[name] = Server(InstanceServer(agent).handler)
        await server.listen_unix(path, "instance")
        self.ready[name] = Endpoint(agent=name, instance=instance, address=f"unix:{path}")
        if self.house.gateway is not None:
            await self.tell()
        return agent

    async def stop(self, name: str) -> None:
        """Its process ends."""
        await self.servers.pop(name).close(grace=0)
        del self.ready[name]

    async def tell(self) -> None:
        await self.house.facts(*self.ready.values(), full=True)

    def identity(self, name: str, instance: str = "") -> Identity:
        return Identity(
            agent=name,
            instance=instance or name,
            gateway=f"unix:{self.house.places.agents_socket}",
            key=f"{name}-key",
        )

    def agent(self, kind: type[A], name: str) -> A:
        """One that only sends: nobody can reach it."""
        return kind(self.identity(name), self._client)
