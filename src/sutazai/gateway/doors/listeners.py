"""Where listening sockets come from: the keeper, which holds them while the gateway is down.

Without a keeper (the gateway alone, tests) the gateway opens its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.routes import Door
from sutazai.wire import ListenerSpec, Server, fetch_listeners

log = logging.getLogger("sutazai.gateway")

GATEWAY = "gateway"
"""The TCP listener of the LLM endpoints."""

API = "api"
"""The Unix socket of control and host."""

AGENTS = "agents"
"""The Unix socket of instances."""

_DOOR = "agent:"


def door_agent(listener: str) -> str | None:
    """The agent whose door the listener is, or None for any other listener."""
    return listener.removeprefix(_DOOR) if listener.startswith(_DOOR) else None


class Opener(Protocol):
    """Has a server listen."""

    async def open(self, server: Server, wanted: Sequence[ListenerSpec]) -> None:
        """Raises PortTaken and whatever else keeps it from listening on all of them."""

    async def close(self, server: Server, listener: ListenerSpec) -> None:
        """Has it listen there no more; who is connected there is served to the end."""


class KeepersSockets:
    """Gets listening sockets from the keeper."""

    def __init__(self, keeper_socket: Path) -> None:
        self._keeper_socket = keeper_socket

    async def open(self, server: Server, wanted: Sequence[ListenerSpec]) -> None:
        for name, sock in (await fetch_listeners(self._keeper_socket, wanted)).items():
            await server.listen(sock, name)

    async def close(self, server: Server, listener: ListenerSpec) -> None:
        await server.unlisten(listener.name)


class OwnSockets:
    """Opens listening sockets itself; nobody holds them when it dies."""

    def __init__(self) -> None:
        self._open: set[ListenerSpec] = set()

    async def open(self, server: Server, wanted: Sequence[ListenerSpec]) -> None:
        for spec in wanted:
            if spec not in self._open:
                await server.listen_tcp(spec.host, spec.port, spec.name)
                self._open.add(spec)

    async def close(self, server: Server, listener: ListenerSpec) -> None:
        self._open.discard(listener)
        await server.unlisten(listener.name)


class DoorListeners:
    """Opens the ports of doors as they are declared. One that was opened stays until its agent has
    another port, or its port another agent: whoever calls a door that is no more gets an answer
    that says so."""

    def __init__(self, server: Server, opener: Opener, host: str) -> None:
        self._server = server
        self._opener = opener
        self._host = host
        self._open: set[ListenerSpec] = set()

    async def open(self, doors: Iterable[Door]) -> tuple[str, ...]:
        """Opens what is not open yet; the problems it met, in words."""
        wanted = [
            ListenerSpec(f"{_DOOR}{door.agent}", self._host, door.port)
            for door in doors
            if door.port is not None
        ]
        missing = [spec for spec in wanted if spec not in self._open]
        if not missing:
            return ()
        for spec in [spec for spec in self._open if any(_displaces(new, spec) for new in missing)]:
            self._open.discard(spec)
            await self._opener.close(self._server, spec)
        try:
            await self._opener.open(self._server, missing)
        except SutazaiError:
            return await self._one_by_one(missing)
        self._open.update(missing)
        return ()

    async def _one_by_one(self, missing: Sequence[ListenerSpec]) -> tuple[str, ...]:
        """One port that is taken does not keep the other doors shut."""
        problems = []
        for spec in missing:
            try:
                await self._opener.open(self._server, [spec])
                self._open.add(spec)
            except SutazaiError as error:
                problems.append(f"port {spec.port} of {door_agent(spec.name)}: {error.message}")
                log.warning("%s", problems[-1])
        return tuple(problems)


def _displaces(new: ListenerSpec, old: ListenerSpec) -> bool:
    """Whether ``old`` cannot stay beside ``new``: the same door, or the same port."""
    return new.name == old.name or 0 != new.port == old.port
