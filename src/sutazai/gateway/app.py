"""The gateway put together: what listens where, what answers whom, how it begins and ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

from sutazai.fleet.errors import BadInput, NotRunning
from sutazai.fleet.files import replace_file
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Routes
from sutazai.gateway.api import Api
from sutazai.gateway.callers.keys import (
    ANYBODY,
    CONTROL,
    KEY_PATH,
    Caller,
    Keyring,
    Names,
    key_in_path,
)
from sutazai.gateway.callers.origin import guarded
from sutazai.gateway.doors.bridges import BridgeListeners
from sutazai.gateway.doors.doors import Doors
from sutazai.gateway.doors.instances import Instances
from sutazai.gateway.doors.listeners import (
    AGENTS,
    API,
    GATEWAY,
    DoorListeners,
    KeepersSockets,
    Opener,
    door_agent,
)
from sutazai.gateway.doors.waking import Waker
from sutazai.gateway.llm import LlmSide
from sutazai.gateway.messages.desk import MessageDesk
from sutazai.gateway.relay import Relay
from sutazai.gateway.state import NO_ROUTES, Keeping, load_endpoints, load_routes
from sutazai.gateway.trouble import Trouble
from sutazai.wire import (
    Client,
    ClientLimits,
    Handler,
    ListenerSpec,
    Proxies,
    Request,
    Response,
    Router,
    Server,
    ServerLimits,
)

CONNECTIONS = 20_000
"""Every call that waits holds a connection; so many may wait, and as many call agents."""

GRACE = 10.0
"""Seconds that calls have to end when the gateway is stopped."""


@dataclass(frozen=True)
class Listening:
    """The address and port of the TCP listener for LLM calls; doors share the address."""

    host: str
    port: int

    @classmethod
    def read(cls, config: Path) -> Listening:
        """What `up` has decided. Raises NotRunning or BadInput."""
        try:
            ports = json.loads(config.read_bytes())["ports"]
            return cls(ports["host"], int(ports["gateway"]))
        except FileNotFoundError as cause:
            raise NotRunning(f"there is no {config}", hint="run `sutazai up`") from cause
        except (ValueError, KeyError, TypeError) as cause:
            raise BadInput(f"{config} cannot be used: {cause}") from cause


class Gateway:
    """The data plane of one fleet. Made where an event loop runs; `start` it, `close` it.

    Args:
        places: where its sockets and files are.
        listening: the TCP listener.
        opener: where listening sockets come from; the keeper's by default.
    """

    def __init__(
        self, places: Places, listening: Listening, *, opener: Opener | None = None
    ) -> None:
        self._places = places
        self._listening = listening
        self._opener = opener or KeepersSockets(places.keeper_socket)
        self._routes = NO_ROUTES
        self._names = Names()
        self._keyring = Keyring((), self._names)
        self._client = Client(
            ClientLimits(connections=CONNECTIONS), proxies=Proxies.from_environment()
        )
        self._llm = LlmSide(self._client, places)
        self._instances = Instances()
        self._waker = Waker(self._client, places.host_socket)
        self._doors = Doors(
            self._client,
            self._instances,
            self._waker,
            self._llm.tasks,
            activity=self._llm.activity,
            arms=self._llm.arms,
        )
        self._messages = MessageDesk(places.messages, self._doors)
        self._relay = Relay(self._client, places)
        self._kept = Keeping(places.endpoints, self._account)
        self._trouble = Trouble(lambda: self._server.forget())
        self._api = Api(
            self._llm,
            self._instances,
            apply=self._adopt,
            listen=self._listen_to_containers,
            kept=self._kept,
            on_ready=self._doors.waiting.look_again_all,
            trouble=self._trouble,
        )
        self._inner = self._inner_router()
        self._outer = self._outer_router()
        hosts = {listening.host}
        handler = guarded(self._dispatch, {API, AGENTS}, hosts)
        self._server = Server(handler, ServerLimits(connections=CONNECTIONS))
        self._bridges = BridgeListeners(self._server, self._opener, listening.port, hosts)
        self._door_listeners = DoorListeners(self._server, self._opener, listening.host)

    async def start(self) -> None:
        """Serves with what was kept on disk. Raises where it cannot listen."""
        routes = await asyncio.to_thread(load_routes, self._places.routes)
        endpoints = await asyncio.to_thread(load_endpoints, self._places.endpoints)
        if endpoints is not None:
            self._instances.apply(endpoints)
        self._llm.start()
        await self._route_by(routes)
        await self._listen()
        self._api.adopted(routes, await self._door_listeners.open(routes.doors))

    async def close(self) -> None:
        """Stops accepting, lets calls end for `GRACE` seconds, then cuts what is left."""
        await self._server.close(GRACE)
        await self._messages.close()
        await self._waker.close()
        await self._llm.close()
        await self._kept.close()
        await self._client.close()

    def is_quiet(self) -> bool:
        """Whether nobody would notice a pause: no LLM call is under way."""
        return self._llm.admission.idle

    async def _listen(self) -> None:
        self._places.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._server.listen_unix(self._places.gateway_socket, API)
        self._places.agents_socket.parent.mkdir(mode=0o711, exist_ok=True)
        await self._server.listen_unix(self._places.agents_socket, AGENTS)
        # For agents that are users of their own; others do not get into the runtime folder.
        self._places.agents_socket.chmod(0o666)
        tcp = ListenerSpec(GATEWAY, self._listening.host, self._listening.port)
        await self._opener.open(self._server, [tcp])

    # routes

    async def _adopt(self, routes: Routes) -> tuple[str, ...]:
        """Keeps new routes, then routes calls by them; calls under way go on as they began."""
        data = routes.model_dump_json().encode()
        await asyncio.to_thread(replace_file, self._places.routes, data)
        await self._route_by(routes)
        return await self._door_listeners.open(routes.doors)

    async def _route_by(self, routes: Routes) -> None:
        self._routes = routes
        self._keyring = Keyring(routes.keys, self._names)
        self._server.forget()  # who calls may be another by now
        self._doors.apply(routes.doors)
        await self._llm.apply(routes, self._keyring.named)
        await self._messages.apply(routes)

    async def _listen_to_containers(self, addresses: tuple[str, ...]) -> None:
        await self._bridges.open(addresses)

    def _account(self) -> bytes:
        return self._instances.account().model_dump_json().encode()

    # who answers what

    # The server awaits what answers, and makes answers of errors: no coroutine is in between.

    def _dispatch(self, request: Request) -> Awaitable[Response]:
        if request.listener == API:
            return self._inner.choose(request)(request)
        return self._troubled(request) if self._trouble.is_on else self._admit(request)

    async def _troubled(self, request: Request) -> Response:
        return await self._trouble.befall() or await self._admit(request)

    def _admit(self, request: Request) -> Awaitable[Response]:
        keyed = request.target.startswith(KEY_PATH)
        if keyed:
            _take_key(request)
        if request.listener != GATEWAY and (agent := door_agent(request.listener)) is not None:
            return self._at_door(agent, request)
        handler = self._outer.choose(request)
        if not (keyed or request.params or self._trouble.is_on):
            request.remember(handler)
        return handler(request)

    def _inner_router(self) -> Router:
        """For control, host and the operator, who are known by their access to the socket."""
        router = Router()
        self._api.serve(router)
        self._llm.operations.serve(router)
        self._messages.serve(router, self._identify_at_door)
        self._messages.serve_people(router)
        _serve_paths(router, self._by_path)
        return router

    def _outer_router(self) -> Router:
        """For instances and for programs on this machine."""
        router = Router()
        self._llm.serve(router, self._identify)
        self._messages.serve(router, self._identify_at_door)
        self._relay.serve(router, self._identify_at_door)
        _serve_paths(router, self._by_path)
        return router

    def _identify(self, request: Request) -> Caller:
        keyless = self._routes.keyless and request.listener == GATEWAY
        return self._keyring.identify(request.headers, keyless=keyless, peer=request.peer)

    def _identify_at_door(self, request: Request) -> Caller:
        if request.listener == API:
            return CONTROL
        return self._keyring.identify(request.headers, keyless=False)

    async def _at_door(self, agent: str, request: Request) -> Response:
        is_health = request.method == "GET" and request.raw_path == "/health"
        caller = ANYBODY if is_health else self._identify_at_door(request)
        self._messages.office.links.check(caller.name, agent)
        return await self._doors.serve(agent, request, request.target, caller)

    async def _by_path(self, request: Request) -> Response:
        caller = self._identify_at_door(request)
        _, separator, query = request.target.partition("?")
        target = f"/{request.params.get('rest', '')}{separator}{query}"
        self._messages.office.links.check(caller.name, request.params["name"])
        return await self._doors.serve(request.params["name"], request, target, caller)


def _take_key(request: Request) -> None:
    """Lets a key in the path be as one in a header."""
    secret, rest = key_in_path(request.target)
    if secret:
        request.target = rest
        request.headers = request.headers.with_("x-api-key", secret)


def _serve_paths(router: Router, handler: Handler) -> None:
    router.add("ANY", "/agents/{name}", handler)
    router.add("ANY", "/agents/{name}/{rest...}", handler)
