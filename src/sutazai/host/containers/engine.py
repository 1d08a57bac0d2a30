"""Asks a container engine of this machine, by Docker's API over its Unix socket. No threads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sutazai.fleet.errors import Failed, NotFound, SutazaiError
from sutazai.wire import Address, Client, ClientResponse, Timeout

FLEET = "sutazai.fleet"
INSTANCE = "sutazai.instance"
UNIT = "sutazai.unit"
VERSION = "sutazai.version"
"""Labels of a fleet's containers; the value of the first is the fleet's state folder."""

QUICK = Timeout(connect=5.0, headers=30.0, idle=30.0)
FOR_EVER = Timeout(connect=5.0, headers=None, idle=None)
RETRY, RETRY_MAX = 0.1, 2.0

Facts = dict[str, Any]
"""What an engine tells of a container."""


class Engine:
    """One engine. Everything raises Failed with what it said, or where it does not answer."""

    def __init__(self, client: Client, socket: Path) -> None:
        self.socket = socket
        self._client = client
        self._address = Address.parse(f"unix:{socket}")

    async def inspect(self, name: str) -> Facts | None:
        """What is known of a container; None where there is none of that name or id."""
        try:
            found = await self._ask("GET", _of(name, "json"))
        except NotFound:
            return None
        return dict(found)

    async def ours(self, fleet: str) -> list[Facts]:
        """The containers of a fleet, running or not, each with its `Id` and `Labels`."""
        query = {"all": "1", "filters": json.dumps({"label": [f"{FLEET}={fleet}"]})}
        return list(await self._ask("GET", f"/containers/json?{urlencode(query)}"))

    async def settled(self, name: str) -> Facts | None:
        """What is known of a container once it has ended; None where nothing is left of it.

        Waits for as long as it runs, and for as long as the engine does not answer.
        """
        pause = RETRY
        while True:
            try:
                facts = await self.inspect(name)
                if facts is None or not facts["State"].get("Running"):
                    return facts
                await self._ask("POST", _of(name, "wait"), timeout=FOR_EVER)
                pause = RETRY
            except NotFound:
                return None
            except SutazaiError:
                await asyncio.sleep(pause)
                pause = min(RETRY_MAX, 2 * pause)

    async def signal(self, name: str, signal: str) -> None:
        """Sends a signal to a container's first process; nothing where it has ended."""
        await self._ask("POST", _of(name, "kill", signal=signal), also=(404, 409, 500))

    async def stop(self, name: str, seconds: float) -> None:
        """Ends a container: its own signal first, SIGKILL after that time."""
        limit = Timeout(connect=5.0, headers=seconds + 30.0, idle=30.0)
        path = _of(name, "stop", t=str(max(0, round(seconds))))
        await self._ask("POST", path, timeout=limit, also=(304, 404))

    async def update(self, name: str, what: Mapping[str, int]) -> None:
        """Gives a running container other limits. Podman can from 4.6 on."""
        await self._ask("POST", _of(name, "update"), dict(what))

    async def remove(self, name: str) -> None:
        """Ends a container at once and removes it, with volumes that have no name."""
        path = f"/containers/{quote(name, safe='')}?force=1&v=1"
        await self._ask("DELETE", path, also=(404, 409))

    async def remove_network(self, name: str) -> None:
        """Removes a network where it is there and nobody uses it."""
        await self._ask("DELETE", f"/networks/{quote(name, safe='')}", also=(403, 404, 409, 500))

    async def logs(self, name: str, *, since: int, follow: bool) -> ClientResponse:
        """What a container printed from ``since`` (seconds since 1970), each line with its time."""
        query = {"stdout": "1", "stderr": "1", "timestamps": "1", "since": str(since)}
        path = _of(name, "logs", **query, follow="1" if follow else "0")
        limit = FOR_EVER if follow else QUICK
        return await self._request("GET", path, timeout=limit)

    async def _ask(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        timeout: Timeout = QUICK,
        also: tuple[int, ...] = (),
    ) -> Any:
        """JSON in and out. ``also`` are statuses that are as good as success."""
        response = await self._request(method, path, value, timeout=timeout, also=also)
        async with response:
            data = await response.read()
        return json.loads(data) if data and response.status == 200 else None

    async def _request(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        timeout: Timeout,
        also: tuple[int, ...] = (),
    ) -> ClientResponse:
        body = b"" if value is None else json.dumps(value).encode()
        headers = (("content-type", "application/json"),) if body else ()
        try:
            response = await self._client.request(
                method, self._address, path, headers=headers, body=body, timeout=timeout
            )
        except SutazaiError as error:
            raise silent(self.socket, error.message) from error
        if response.status < 300 or response.status in also:
            return response
        async with response:
            raise _refusal(response.status, await response.read())


def silent(socket: Path, reason: str) -> Failed:
    """The engine does not answer."""
    return Failed(
        f"the container engine at {socket} does not answer: {reason}",
        hint="start it: systemctl start docker, or systemctl --user start podman.socket",
    )


def _refusal(status: int, data: bytes) -> SutazaiError:
    try:
        said = str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        said = data[:200].decode(errors="replace")
    kind = NotFound if status == 404 else Failed
    return kind(f"the container engine refused ({status}): {said}")


def _of(name: str, what: str, **query: str) -> str:
    return f"/containers/{quote(name, safe='')}/{what}" + (f"?{urlencode(query)}" if query else "")
