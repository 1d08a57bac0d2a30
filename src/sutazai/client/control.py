"""Calls of control's API, as commands and pages make them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from sutazai.fleet.errors import BadPeer, DeadlineExceeded, SutazaiError, from_dict
from sutazai.fleet.places import Places
from sutazai.fleet.status import FleetStatus
from sutazai.wire import Address, Client, ClientResponse, SseDecoder, SseEvent, Timeout

ANSWER_WITHIN = 15.0
"""Seconds in which control answers whatever needs no work of others."""

PATIENT = Timeout(connect=5.0, headers=None, idle=None)
"""For streams, which go on as long as the work does; who waits can leave."""


class Control:
    """Calls the control of one fleet; whatever it refuses is raised as the error it named."""

    def __init__(self, client: Client, address: Address, token: str, places: Places) -> None:
        self.places = places
        self._client = client
        self._address = address
        self._headers = [("authorization", f"Bearer {token}")]

    async def get(self, path: str, **query: object) -> Any:
        """JSON of ``/api/v1`` + ``path``; query values that are None are left out."""
        return await self._call("GET", _target(path, query))

    async def post(
        self, path: str, value: Any = None, *, within: float | None = ANSWER_WITHIN, **query: object
    ) -> Any:
        """JSON answer to ``value`` (JSON-ready)."""
        return await self._call("POST", _target(path, query), value, within=within)

    async def delete(self, path: str, **query: object) -> Any:
        """JSON answer of what was deleted."""
        return await self._call("DELETE", _target(path, query))

    async def status(self, *, memory: bool = False, within: float = ANSWER_WITHIN) -> FleetStatus:
        """What the fleet does now; with ``memory`` every instance's PSS is measured."""
        target = _target("/status", {"memory": int(memory) or None})
        return FleetStatus.model_validate(await self._call("GET", target, within=within))

    async def events(
        self, method: str, path: str, value: Any = None, **query: object
    ) -> AsyncGenerator[SseEvent]:
        """Server-sent events as they come, until the sender ends the stream."""
        decoder = SseDecoder()
        async with self._response(method, path, query, "text/event-stream", value) as response:
            async for chunk in response.stream():
                for event in decoder.feed(chunk):
                    yield event

    async def pieces(self, path: str, **query: object) -> AsyncGenerator[bytes]:
        """A plain body as it comes, as a log that grows."""
        async with self._response("GET", path, query, "*/*") as response:
            async for chunk in response.stream():
                yield chunk

    async def _call(
        self, method: str, target: str, value: Any = None, *, within: float | None = ANSWER_WITHIN
    ) -> Any:
        try:
            async with asyncio.timeout(within):
                return await self._client.call(
                    method, self._address, target, value, headers=self._headers, timeout=PATIENT
                )
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"control did not answer within {within:g} s", hint=log_of(self.places)
            ) from error

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, query: dict[str, object], accept: str, value: Any = None
    ) -> AsyncIterator[ClientResponse]:
        headers = [*self._headers, ("accept", accept)]
        body = b""
        if value is not None:
            headers.append(("content-type", "application/json"))
            body = json.dumps(value).encode()
        response = await self._client.request(
            method,
            self._address,
            _target(path, query),
            headers=headers,
            body=body,
            timeout=PATIENT,
        )
        async with response:
            if response.status >= 400:
                raise await _refusal(response)
            yield response


def log_of(places: Places) -> str:
    """Where to look when control does not answer."""
    return f"its log: {places.logs / 'control.log'}"


def _target(path: str, query: dict[str, object]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"/api/v1{path}" + (f"?{urlencode(given)}" if given else "")


async def _refusal(response: ClientResponse) -> SutazaiError:
    try:
        return from_dict((await response.json())["error"])
    except (ValueError, KeyError, TypeError, BadPeer):
        return BadPeer(f"control answered {response.status} without a reason")
