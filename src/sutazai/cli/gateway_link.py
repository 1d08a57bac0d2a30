"""Speaks with a gateway over its own socket: a fleet's, with control alive or not, or one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from sutazai.cli import fleets
from sutazai.fleet.errors import ConnectFailed, DeadlineExceeded, NotRunning
from sutazai.fleet.places import Places, state_root
from sutazai.wire import Address, Client, Timeout

T = TypeVar("T")

ALONE = "_gateway"
"""The state folder of a gateway alone, below the common one; no fleet can have this name."""

ANSWER_WITHIN = 15.0
"""Seconds in which the gateway answers whatever needs no model."""

PATIENT = Timeout(connect=5.0, headers=None, idle=None)
"""For a call that is made once more, which takes as long as the model does."""


@dataclass(frozen=True)
class Replayed:
    """What came of a call that was made once more."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class GatewayApi:
    """Calls one gateway's API; whatever it refuses is raised as the error it named."""

    def __init__(self, client: Client, places: Places) -> None:
        self._client = client
        self._address = Address.parse(f"unix:{places.gateway_socket}")

    async def get(self, path: str, **query: object) -> Any:
        """JSON of ``path``; query values that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return await self._call("GET", f"{path}?{urlencode(given)}" if given else path)

    async def post(self, path: str, value: Any = None) -> Any:
        """JSON answer to ``value`` (JSON-ready, or None)."""
        return await self._call("POST", path, value)

    async def put(self, path: str, value: Any) -> Any:
        """JSON answer to ``value`` (JSON-ready)."""
        return await self._call("PUT", path, value)

    async def delete(self, path: str) -> Any:
        return await self._call("DELETE", path)

    async def replay(self, letter: str) -> Replayed:
        """Makes the call of a dead letter once more and gives its answer, whatever it is."""
        response = await self._client.request(
            "POST", self._address, f"{dead_letter(letter)}/replay", timeout=PATIENT
        )
        async with response:
            body = await response.read()
        return Replayed(response.status, dict(response.headers), body)

    async def _call(self, method: str, target: str, value: Any = None) -> Any:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self._client.call(
                    method, self._address, target, value, timeout=PATIENT
                )
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"the gateway did not answer within {ANSWER_WITHIN:g} s"
            ) from error


def dead_letter(letter: str) -> str:
    """The path of one dead letter."""
    return f"/dead/{quote(letter, safe='')}"


def alone_places() -> Places:
    """Where a gateway alone keeps its things unless it is told otherwise."""
    return Places.of(state_root() / ALONE)


def meant(state: Path | None) -> Places:
    """The gateway that is meant: that of the fleet which other commands would mean, or the one
    alone where that fleet's does not run."""
    if state is not None:
        return Places.of(state)
    fleet, alone = fleets.chosen(None), alone_places()
    runs_alone = alone.gateway_socket.exists() and not fleet.gateway_socket.exists()
    return alone if runs_alone else fleet


def with_gateway(state: Path | None, work: Callable[[GatewayApi], Awaitable[T]]) -> T:
    """What ``work`` returns, called with the API of the gateway that is meant.

    Raises NotRunning, and whatever the gateway refuses.
    """
    places = meant(state)

    async def connect_and_work() -> T:
        async with connected(places) as api:
            return await work(api)

    return asyncio.run(connect_and_work())


@asynccontextmanager
async def connected(places: Places) -> AsyncIterator[GatewayApi]:
    """The API of the gateway on ``places``. Raises NotRunning where none answers."""
    async with Client() as client:
        try:
            yield GatewayApi(client, places)
        except ConnectFailed as error:
            raise NotRunning(
                f"no gateway answers for {places.state}",
                hint="start a fleet: sutazai up\n"
                "or a gateway alone: sutazai gateway --backend http://HOST:PORT\n"
                "one that runs elsewhere: --state DIR",
                state=str(places.state),
            ) from error
