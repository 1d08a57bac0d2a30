"""Messages of one gateway put together, and their endpoints: for agents, and for people."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sutazai.bus.brokers import outside_broker
from sutazai.bus.bus import Bus
from sutazai.bus.letters import Filter
from sutazai.bus.message import Bounds, Letter, Message, Reason
from sutazai.fleet.errors import BadInput, SutazaiError, Unavailable
from sutazai.fleet.messaging import Broker, BusSpec, Messages
from sutazai.fleet.routes import Routes
from sutazai.fleet.shapes import Shape
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.doors.doors import Doors
from sutazai.gateway.messages.courier import Courier
from sutazai.gateway.messages.office import Office, check_sender
from sutazai.gateway.state import read_shape
from sutazai.wire import Request, Response, Router, json_response

log = logging.getLogger("sutazai.gateway")

SHOWN_MOST = 1000
BODY_SHOWN = 2000
"""Bytes of a body that people are shown."""

RETRY = 5.0
"""Seconds until a broker that could not be reached is tried again."""

Identify = Callable[[Request], Caller]


class Wanted(Shape):
    """Which dead letters are meant; what is not given fits all."""

    ids: tuple[str, ...] = ()
    to: str | None = None
    sender: str | None = None
    type: str | None = None
    reason: Reason | None = None

    @property
    def filter(self) -> Filter:
        return Filter(**self.model_dump())


class MessageDesk:
    """Messages between the agents of one fleet. Made where an event loop runs.

    Args:
        path: the log file.
    """

    def __init__(self, path: Path, doors: Doors) -> None:
        self._path = path
        self._routes: Routes | None = None
        self._courier = Courier(doors)
        self.office = Office(lambda: self.bus)
        self._opened: Bus | None = None
        self._shape: tuple[BusSpec, Bounds] | None = None
        self._again: asyncio.Task[None] | None = None

    @property
    def bus(self) -> Bus:
        """Raises Unavailable while its broker cannot be reached."""
        if self._opened is None:
            raise Unavailable(
                "the broker of messages cannot be reached",
                hint="see the gateway's log; `bus` in the fleet file says where it is",
                retry_after=int(RETRY),
            )
        return self._opened

    async def apply(self, routes: Routes) -> None:
        """The rules from now on; another broker is opened where it is another one."""
        self._routes = routes
        self.office.apply(routes)
        self._courier.handling = routes.messages.handling
        await self._stop_trying()
        if not routes.doors:  # nobody to write to, or nothing is known yet
            return
        if not await self._open(routes):
            self._again = asyncio.create_task(self._try_again(routes), name="messages-broker")

    async def close(self) -> None:
        await self._stop_trying()
        await self._courier.close()
        await self._close_bus()

    async def _open(self, routes: Routes) -> bool:
        bounds = _bounds(routes.messages)
        shape = routes.bus, bounds
        try:
            if self._shape != shape:
                await self._close_bus()
                outside = outside_broker(routes.bus, bounds)
                bus = Bus(self._path, ready=self._courier.ready, bounds=bounds, outside=outside)
                self._courier.bus = bus
                await bus.open()
                self._opened, self._shape = bus, shape
            await self.bus.serve(door.agent for door in routes.doors)
        except SutazaiError as error:
            log.warning("messages: %s", error.message)
            await self._close_bus()
            return False
        return True

    async def _try_again(self, routes: Routes) -> None:
        opened = False
        while not opened:
            await asyncio.sleep(RETRY)
            opened = await self._open(routes)

    async def _stop_trying(self) -> None:
        if self._again is not None:
            self._again.cancel()
            await asyncio.gather(self._again, return_exceptions=True)
            self._again = None

    async def _close_bus(self) -> None:
        bus, self._opened, self._shape = self._opened, None, None
        if bus is not None:
            await bus.close()

    # endpoints

    def serve(self, router: Router, identify: Identify) -> None:
        """For those who send."""

        async def send(request: Request) -> Response:
            return _json(await self.office.send(_sender(identify, request), await request.read()))

        async def ask(request: Request) -> Response:
            return _json(await self.office.ask(_sender(identify, request), await request.read()))

        router.add("POST", "/messages", send)
        router.add("POST", "/messages/ask", ask)

    def serve_people(self, router: Router) -> None:
        """For control and the operator."""
        router.add("GET", "/messages", self._overview)
        router.add("GET", "/messages/inbox/{name}", self._inbox)
        router.add("GET", "/messages/dead", self._dead)
        router.add("POST", "/messages/replay", self._replay)
        router.add("POST", "/messages/drop", self._drop)

    async def _overview(self, request: Request) -> Response:
        bus = self.bus
        inboxes = [
            {"agent": name, "messages": depth.count, "bytes": depth.size, "pace": depth.pace}
            for name, depth in sorted(bus.depths().items())
        ]
        broker = self._routes.bus.broker if self._routes else Broker.EMBEDDED
        return json_response(
            {"broker": broker.value, "inboxes": inboxes, "dead_letters": len(bus.letters)}
        )

    async def _inbox(self, request: Request) -> Response:
        found = self.bus.inboxes.waiting_for(request.params["name"])
        return json_response([_shown(message) for message in found[: _limit(request)]])

    async def _dead(self, request: Request) -> Response:
        names = ("to", "sender", "type", "reason")
        given = {name: request.query[name] for name in names if name in request.query}
        wanted = read_shape(Wanted, json.dumps(given).encode())
        letters = self.bus.letters.find(wanted.filter, _limit(request))
        return json_response([_shown_letter(letter) for letter in letters])

    async def _replay(self, request: Request) -> Response:
        wanted = read_shape(Wanted, await request.read() or b"{}")
        lasts = self._routes.messages.expiry if self._routes else Messages().expiry
        messages = await self.bus.replay(wanted.filter, lasts=lasts)
        return json_response({"replayed": [message.id for message in messages]})

    async def _drop(self, request: Request) -> Response:
        wanted = read_shape(Wanted, await request.read() or b"{}")
        return json_response({"dropped": self.bus.drop(wanted.filter)})


def _sender(identify: Identify, request: Request) -> Caller:
    caller = identify(request)
    check_sender(caller)
    return caller


def _json(body: bytes) -> Response:
    return Response(200, (("content-type", "application/json"),), body)


def _limit(request: Request) -> int:
    text = request.query.get("limit", "100")
    if not text.isdecimal() or not 0 < int(text) <= SHOWN_MOST:
        raise BadInput(f"`limit` is a number from 1 to {SHOWN_MOST}")
    return int(text)


def _shown(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "sender": message.sender,
        "to": message.to,
        "type": message.type,
        "version": message.version,
        "topic": message.topic,
        "body": message.body[:BODY_SHOWN].decode("utf-8", "replace"),
        "size": len(message.body),
        "published": message.published,
        "expires": message.expires,
    }


def _shown_letter(letter: Letter) -> dict[str, Any]:
    return {
        **_shown(letter.message),
        "reason": letter.reason.value,
        "error": letter.error,
        "tries": letter.tries,
        "at": letter.at,
    }


def _bounds(messages: Messages) -> Bounds:
    return Bounds(
        count=messages.inbox,
        size=messages.inbox_size,
        total=messages.total,
        tries=messages.tries,
        letters=messages.dead_letters,
        letters_kept=messages.dead_letters_kept,
    )
