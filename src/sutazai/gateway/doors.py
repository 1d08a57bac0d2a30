"""Front doors: the stable port and path of every agent, whichever of its instances answers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sutazai.fleet.errors import (
    BadPeer,
    ConnectFailed,
    NotFound,
    PeerClosed,
    SutazaiError,
    Unavailable,
)
from sutazai.fleet.facts import Endpoint
from sutazai.fleet.routes import Door
from sutazai.gateway.instances import Instance, Instances
from sutazai.gateway.passing import PassedBody, lost
from sutazai.gateway.waking import Waker
from sutazai.wire import (
    Address,
    Client,
    ClientResponse,
    Headers,
    Request,
    Response,
    Timeout,
    error_response,
    json_response,
)

BUFFERED_MAX = 1024 * 1024
"""Bodies up to so many bytes are taken in before they are passed on, so that a request can be sent
anew and an answer that is cut is told as an error."""

TIMEOUT = Timeout(connect=5.0, headers=3600.0, idle=3600.0)
"""Agents have deadlines of their own; these bound what has none."""

_HOP_BY_HOP = (
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade", "expect",
)  # fmt: skip
_NOT_THE_AGENTS = ("host", "authorization", "x-api-key")
"""Keys say who calls the gateway; an agent has no use for another's."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A request as it is passed on; ``body`` makes its body, anew for every attempt."""

    method: str
    target: str
    headers: Headers
    body: Callable[[], bytes | AsyncIterator[bytes]]

    @property
    def is_health(self) -> bool:
        return self.method == "GET" and self.target.partition("?")[0] == "/health"


class Doors:
    """Passes calls on to the instances of agents."""

    def __init__(
        self,
        client: Client,
        instances: Instances,
        waker: Waker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._instances = instances
        self._waker = waker
        self._clock = clock
        self._fixed: dict[str, Instance | None] = {}

    def apply(self, doors: Iterable[Door]) -> None:
        """The doors there are from now on."""
        self._fixed = {door.agent: self._fixed_instance(door) for door in doors}

    async def serve(self, agent: str, request: Request, target: str) -> Response:
        """The answer of an instance of ``agent`` to ``request`` for its ``target``, or the error
        as JSON: NotFound, Unavailable, DeadlineExceeded, QueueFull, InstanceLost, or what the host
        says when it cannot wake the agent."""
        try:
            return await self._serve(agent, request, target)
        except SutazaiError as error:
            response = error_response(error)
            if (retry := error.data.get("retry_after")) is not None:
                response.headers = [*response.headers, ("retry-after", str(retry))]
            return response

    async def _serve(self, agent: str, request: Request, target: str) -> Response:
        if agent not in self._fixed:
            raise NotFound(f"there is no agent {agent!r}", hint="see `sutazai agents list`")
        passage = await _passage(request, target)
        instance = self._ready(agent)
        if instance is None and passage.is_health:
            return json_response({"status": "asleep", "agent": agent})
        try:
            return await self._pass(instance or await self._woken(agent), passage)
        except ConnectFailed:
            pass  # it is gone, and nothing was sent: another one can do it
        try:
            return await self._pass(self._ready(agent) or await self._woken(agent), passage)
        except ConnectFailed as cause:
            raise Unavailable(
                f"no instance of {agent} can be reached",
                hint=f"see `sutazai agents show {agent}`",
                retry_after=2,
            ) from cause

    def _fixed_instance(self, door: Door) -> Instance | None:
        if door.address is None:
            return None
        endpoint = Endpoint(agent=door.agent, instance="remote", address=door.address)
        old = self._fixed.get(door.agent)
        return old if old is not None and old.endpoint == endpoint else Instance(endpoint)

    def _ready(self, agent: str) -> Instance | None:
        return self._fixed.get(agent) or self._instances.choose(agent)

    async def _woken(self, agent: str) -> Instance:
        self._instances.add(await self._waker.wake(agent))
        instance = self._instances.choose(agent)
        if instance is None:
            raise Unavailable(f"{agent} has no ready instance", retry_after=2)
        return instance

    async def _pass(self, instance: Instance, passage: Passage) -> Response:
        """The instance's answer. Raises ConnectFailed where nothing was sent to it."""
        begun = self._clock()
        self._instances.begin(instance)
        async with AsyncExitStack() as held:
            held.push(lambda kind, *_: self._end(instance, begun, failed=kind is not None))
            response = await self._request(instance, passage)
            held.push_async_callback(response.close)
            headers = _without_hops(response.headers)
            if _length(response.headers) <= BUFFERED_MAX:
                body = await _whole(response, instance.endpoint)
                return Response(response.status, headers.without("content-length"), body)
            body_stream = PassedBody(response, instance.endpoint, held.pop_all())
            return Response(response.status, headers, body_stream)

    def _end(self, instance: Instance, begun: float, *, failed: bool) -> None:
        self._instances.end(instance, None if failed else self._clock() - begun)

    async def _request(self, instance: Instance, passage: Passage) -> ClientResponse:
        endpoint = instance.endpoint
        try:
            return await self._client.request(
                passage.method,
                Address.parse(endpoint.address),
                passage.target,
                headers=passage.headers,
                body=passage.body(),
                timeout=TIMEOUT,
            )
        except ConnectFailed:
            self._instances.drop(endpoint.instance)
            raise
        except (PeerClosed, BadPeer) as cause:
            raise lost(endpoint) from cause


async def _whole(response: ClientResponse, endpoint: Endpoint) -> bytes:
    try:
        return await response.read()
    except (PeerClosed, BadPeer) as cause:
        raise lost(endpoint) from cause


async def _passage(request: Request, target: str) -> Passage:
    headers = _without_hops(request.headers).without(*_NOT_THE_AGENTS)
    if "transfer-encoding" not in request.headers and _length(request.headers, 0) <= BUFFERED_MAX:
        data = await request.read()
        return Passage(request.method, target, headers.without("content-length"), lambda: data)
    return Passage(request.method, target, headers, request.stream)


def _without_hops(headers: Headers) -> Headers:
    named = [
        name.strip() for value in headers.getall("connection") for name in value.split(",") if name
    ]
    return headers.without(*_HOP_BY_HOP, *named)


def _length(headers: Headers, missing: int = BUFFERED_MAX + 1) -> int:
    """The declared length of a body, or ``missing`` where none is declared."""
    value = headers.get("content-length", "")
    return int(value) if value.isdecimal() else missing
