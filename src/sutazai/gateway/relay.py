"""Hands on what agents ask of control: the four calls of the old system, and tasks that they give.

Agents know the gateway alone, and control believes what it is told of who asks: hence the admin
token, which stands beside the gateway's own state. Nothing here is needed to serve models, agents
or messages, so all of that goes on while control is away.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

from sutazai.fleet.errors import Refused, Unavailable
from sutazai.fleet.places import Places
from sutazai.gateway.callers.keys import Caller
from sutazai.wire import Address, Client, Request, Response, Router, Timeout, json_response

ASKING = Timeout(connect=2.0, headers=30.0, idle=30.0)
_HANDED_ON = ("content-type", "retry-after")
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (where who listens so is reached)

Identify = Callable[[Request], Caller]


class Relay:
    """The way from agents to control.

    Args:
        places: of the fleet, whose control it is.
    """

    def __init__(self, client: Client, places: Places) -> None:
        self._client = client
        self._places = places

    def serve(self, router: Router, identify: Identify) -> None:
        """Adds the calls; ``identify`` tells who makes them or raises Refused."""

        def add(method: str, pattern: str, target: str) -> None:
            async def hand_on(request: Request) -> Response:
                caller = identify(request)
                kind = quote(request.params.get("kind", ""), safe="")
                return await self._hand_on(caller, request, target.format(kind=kind))

            router.add(method, pattern, hand_on)

        add("POST", "/api/agents/register", "register")
        add("POST", "/api/agents/heartbeat", "heartbeat")
        add("GET", "/api/tasks/next/{kind}", "next/{kind}")
        add("POST", "/api/tasks/complete", "complete")
        add("POST", "/tasks", "tasks")
        router.add("GET", "/health", _health)

    async def _hand_on(self, caller: Caller, request: Request, target: str) -> Response:
        if not caller.agent:
            raise Refused(
                f"{caller.name} is no agent of this fleet",
                hint="agents call with the key that is in their BACKEND_URL",
            )
        headers = [("content-type", "application/json"), ("authorization", self._token())]
        response = await self._client.request(
            request.method,
            self._control(),
            f"/api/v1/from/{caller.name}/{target}",
            headers=headers,
            body=await request.read(),
            timeout=ASKING,
        )
        async with response:
            body = await response.read()
        values = ((name, response.headers.get(name)) for name in _HANDED_ON)
        kept = [(name, value) for name, value in values if value is not None]
        return Response(response.status, kept, body)

    def _control(self) -> Address:
        try:
            ports = json.loads(self._places.config.read_bytes())["ports"]
            host, port = ports["host"], int(ports["control"])
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise _no_control() from cause
        host = _ANYWHERE.get(host, host)
        return Address.parse(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    def _token(self) -> str:
        try:
            return f"Bearer {self._places.token.read_text().strip()}"
        except OSError as cause:
            raise _no_control() from cause


async def _health(request: Request) -> Response:
    """That the gateway is there, for whoever asks it before they call."""
    return json_response({"status": "healthy"})


def _no_control() -> Unavailable:
    return Unavailable("there is no control to ask", hint="this needs a fleet: sutazai up")
