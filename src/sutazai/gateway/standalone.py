"""The gateway alone: in front of LLM servers that run already, without a fleet.

What control does for a fleet's gateway is done here by the same process: it plans routes, pushes
them over the gateway's own API, and asks servers whose dialect nobody named which one they speak.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import resource
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import uvloop

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadInput, PortTaken, Refused, SutazaiError
from sutazai.fleet.files import replace_file
from sutazai.fleet.places import Places
from sutazai.fleet.ports import local_port
from sutazai.fleet.routes import BackendRoute, Routes, TierRoute
from sutazai.gateway.app import GRACE, Gateway, Listening
from sutazai.gateway.backends.state import BackendState
from sutazai.gateway.doors.listeners import GATEWAY, OwnSockets
from sutazai.gateway.ownfolders import Held
from sutazai.gateway.state import load_routes
from sutazai.gateway.stats import BackendStats, GatewayStats
from sutazai.wire import Address, Client, ListenerSpec, Server, Timeout

log = logging.getLogger("sutazai.gateway")

TIERS = ("fast", "standard", "complex")
OLLAMA_PORT = 11434

ASK_EVERY = 2.0
"""Seconds between two questions to a server that has not told its dialect yet."""

LOOKED_WITHIN = 6.0
"""Seconds in which every server was looked at once, whatever came of it."""

CONNECTIONS = 65_536
"""Open files, of which each call needs two; as many as the system allows up to this."""

NOT_REACHED = BackendState.reason
"""What a backend that was not looked at yet is said to be."""

_TIMEOUT = Timeout(connect=2.0, headers=5.0, idle=5.0)
_TICK = 0.05
_NOT_THERE = (502, 503, 504)
"""What a proxy answers whose server is not there."""


@dataclass(frozen=True)
class Front:
    """What the gateway stands in front of.

    Args:
        addresses: of the servers, in `wire` form.
        dialect: what all of them speak; None has each of them asked.
        slots: of each server; None has them found by measuring.
    """

    addresses: tuple[str, ...]
    dialect: Dialect | None = None
    slots: int | None = None


@dataclass(frozen=True)
class Standing:
    """Where it listens, and what was found behind it."""

    url: str
    backends: tuple[BackendStats, ...]


def run(
    places: Places, listening: Listening, front: Front, *, told: Callable[[Standing], None]
) -> None:
    """Serves until SIGINT or SIGTERM; a second one cuts the calls that are still under way.

    ``told`` is called once it serves and has looked at its servers. Raises Refused (an address for
    others to reach), BadInput, PortTaken, AlreadyRunning, Conflict (a fleet's folder).
    """
    check_listening(listening, front)
    _allow_many_connections()
    with Held(places), suppress(asyncio.CancelledError):  # a second signal
        uvloop.run(_run(places, listening, front, told))


def check_listening(listening: Listening, front: Front) -> None:
    """Raises Refused where others could reach it, BadInput where it would call itself."""
    try:
        loopback = ipaddress.ip_address(listening.host).is_loopback
    except ValueError as cause:
        raise BadInput(f"not an IP address to listen on: {listening.host!r}") from cause
    if not loopback:
        raise Refused(
            f"without keys nobody but this machine may call, and {listening.host} is for others",
            hint="for keys write a fleet file: `clients:` with a `secret` each, `ports.host`, and "
            "`gateway.keyless: false`; then sutazai up",
        )
    for address in front.addresses:
        if local_port(address) == listening.port:
            raise BadInput(
                f"{address} is where the gateway itself listens: calls would go round in a circle",
                hint="name the LLM server, or listen elsewhere: --listen 127.0.0.1:PORT",
            )


def plan_routes(front: Front, dialects: Mapping[str, Dialect], revision: int) -> Routes:
    """Every server as a backend, every tier on all of them. Pure.

    Args:
        dialects: by address, as far as they are known; the others are guessed by their port.
    """
    backends = tuple(
        BackendRoute(
            name=name,
            address=address,
            dialect=dialects.get(address) or _guess(front, address),
            slots=front.slots,
        )
        for address, name in _names(front.addresses).items()
    )
    return Routes(
        revision=revision, backends=backends, tiers=tuple(TierRoute(name=name) for name in TIERS)
    )


class Standalone:
    """A gateway with its own sockets and routes. `start` it, `close` it.

    Args:
        ask_every: seconds between two questions to a server that has not told its dialect.
    """

    def __init__(
        self, places: Places, listening: Listening, front: Front, *, ask_every: float = ASK_EVERY
    ) -> None:
        self._places = places
        self._listening = listening
        self._front = front
        self._ask_every = ask_every
        self._sockets = _OwnSockets()
        self._gateway = Gateway(places, listening, opener=self._sockets)
        self._api = Address.parse(f"unix:{places.gateway_socket}")
        self._client = Client()
        self._dialects: dict[str, Dialect] = {}
        self._revision = 0
        self._asking: asyncio.Task[None] | None = None

    async def start(self) -> Standing:
        """Serves; returns once every server was looked at. Raises as `run`."""
        kept = await asyncio.to_thread(load_routes, self._places.routes)
        self._revision = kept.revision
        await self._ask()
        data = self._plan().model_dump_json().encode()
        await asyncio.to_thread(replace_file, self._places.routes, data)
        await self._gateway.start()
        if self._unknown():
            self._asking = asyncio.create_task(self._keep_asking(), name="ask for dialects")
        return Standing(self._url(), await self._looked_at())

    async def close(self) -> None:
        """Lets calls end, then stops."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._gateway.close()
        await self._client.close()

    def _url(self) -> str:
        host = self._listening.host
        port = self._sockets.ports[GATEWAY]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def _plan(self) -> Routes:
        self._revision += 1
        return plan_routes(self._front, self._dialects, self._revision)

    async def _looked_at(self) -> tuple[BackendStats, ...]:
        """The servers as they were found, or as far as is known when that takes long."""
        backends: Sequence[BackendStats] = ()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOKED_WITHIN):
                while not backends or any(_not_seen(backend) for backend in backends):
                    await asyncio.sleep(_TICK)
                    stats = await self._client.call("GET", self._api, "/stats")
                    backends = GatewayStats.model_validate(stats).backends
        return tuple(backends)

    # dialects

    def _unknown(self) -> list[str]:
        if self._front.dialect is not None:
            return []
        return [address for address in self._front.addresses if address not in self._dialects]

    async def _keep_asking(self) -> None:
        while self._unknown():
            await asyncio.sleep(self._ask_every)
            if await self._ask():
                routes = self._plan().model_dump(mode="json")
                await self._client.call("PUT", self._api, "/routes", routes)

    async def _ask(self) -> bool:
        """Asks the servers that have not told their dialect; whether one has now."""
        unknown = self._unknown()
        answers = await asyncio.gather(*(ask_dialect(self._client, each) for each in unknown))
        told = {address: each for address, each in zip(unknown, answers, strict=True) if each}
        self._dialects.update(told)
        return bool(told)


async def ask_dialect(client: Client, address: str) -> Dialect | None:
    """What the server at ``address`` speaks, None where it does not answer.

    Only Ollama tells its version at `/api/version`; whatever else answers is taken to speak
    OpenAI's language, and so is a base URL that ends in `/v1`.
    """
    where = Address.parse(address)
    if where.base.endswith("/v1"):
        return Dialect.OPENAI
    try:
        async with await client.request("GET", where, "/api/version", timeout=_TIMEOUT) as response:
            status, data = response.status, await response.read()
    except SutazaiError:
        return None
    if status in _NOT_THERE:
        return None
    return Dialect.OLLAMA if _tells_version(data) else Dialect.OPENAI


class _OwnSockets(OwnSockets):
    """Remembers on which ports, and knows what to do where one is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: dict[str, int] = {}

    async def open(self, server: Server, wanted: Iterable[ListenerSpec]) -> None:
        for spec in wanted:
            try:
                self.ports[spec.name] = await server.listen_tcp(spec.host, spec.port, spec.name)
            except PortTaken as taken:
                raise PortTaken(
                    f"somebody listens on {spec.host}:{spec.port} already",
                    hint="if that is a fleet's gateway, programs can use it as it is; "
                    "to listen elsewhere: --listen 127.0.0.1:PORT",
                    **taken.data,
                ) from taken


async def _run(
    places: Places, listening: Listening, front: Front, told: Callable[[Standing], None]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    alone = Standalone(places, listening, front)
    try:
        told(await alone.start())
        await stop.wait()
        log.info("ending; calls under way have %g s, a second Ctrl-C cuts them", GRACE)
        _end_at_once_next_time()
    finally:
        await alone.close()


def _end_at_once_next_time() -> None:
    closing = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if closing is not None:
            loop.add_signal_handler(number, closing.cancel)


def _tells_version(data: bytes) -> bool:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and isinstance(value.get("version"), str)


def _guess(front: Front, address: str) -> Dialect:
    if front.dialect is not None:
        return front.dialect
    return Dialect.OLLAMA if Address.parse(address).port == OLLAMA_PORT else Dialect.OPENAI


def _names(addresses: Iterable[str]) -> dict[str, str]:
    """A short name for each address: where it is, with a number where several are there."""
    names: dict[str, str] = {}
    for address in addresses:
        where = Address.parse(address)
        bare = where.socket or where.authority
        same = sum(name.partition("#")[0] == bare for name in names.values())
        names[address] = f"{bare}#{same + 1}" if same else bare
    return names


def _not_seen(backend: BackendStats) -> bool:
    return not backend.available and backend.reason == NOT_REACHED


def _allow_many_connections() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = CONNECTIONS if most == resource.RLIM_INFINITY else min(most, CONNECTIONS)
    with suppress(ValueError, OSError):  # some systems allow less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
