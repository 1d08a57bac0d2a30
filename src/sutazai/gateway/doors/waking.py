"""Has the host wake agents that sleep, once for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from sutazai.fleet.errors import (
    BadPeer,
    ConnectFailed,
    DeadlineExceeded,
    PeerClosed,
    QueueFull,
    Unavailable,
)
from sutazai.fleet.facts import Endpoint, Wake
from sutazai.wire import Address, Client, Timeout

HELD_MAX = 256
"""Callers of one unit that wait for it to wake; further ones are refused."""

DEADLINE = 30.0
"""Seconds that the host gives an agent to be ready."""

MARGIN = 2.0
"""Seconds that the host gets beyond that, for it has more to say about a failure than we have."""


class Waker:
    """Wakes agents through the host at ``host_socket``; one request in flight for each.

    Args:
        deadline: seconds that callers wait at most.
    """

    def __init__(
        self, client: Client, host_socket: Path, *, deadline: float = DEADLINE + MARGIN
    ) -> None:
        self._client = client
        self._deadline = deadline
        self._host = Address.parse(f"unix:{host_socket}")
        self._wakes: dict[str, asyncio.Task[Sequence[Endpoint]]] = {}
        self._held: dict[str, int] = {}

    async def wake(self, unit: str) -> Sequence[Endpoint]:
        """The unit's ready instances, at least one.

        Raises QueueFull, Unavailable, DeadlineExceeded, or what the host says is wrong with it.
        """
        held = self._held.get(unit, 0)
        if held >= HELD_MAX:
            raise QueueFull(f"{held} callers wait for {unit} to wake already", retry_after=5)
        self._held[unit] = held + 1
        try:
            return await asyncio.shield(self._wakes.get(unit) or self._begin(unit))
        finally:
            self._held[unit] -= 1
            if not self._held[unit]:
                del self._held[unit]

    async def close(self) -> None:
        tasks = list(self._wakes.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, unit: str) -> asyncio.Task[Sequence[Endpoint]]:
        task = asyncio.create_task(self._ask(unit), name=f"wake-{unit}")
        self._wakes[unit] = task
        task.add_done_callback(lambda task: self._ended(unit, task))
        return task

    def _ended(self, unit: str, task: asyncio.Task[Sequence[Endpoint]]) -> None:
        del self._wakes[unit]
        if not task.cancelled():
            task.exception()  # seen, even where every caller has left meanwhile

    async def _ask(self, unit: str) -> Sequence[Endpoint]:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._endpoints(unit)
        except TimeoutError as cause:
            raise DeadlineExceeded(
                f"{unit} was not ready within {self._deadline:g} s",
                hint=f"see `sutazai agents logs {unit}`",
            ) from cause

    async def _endpoints(self, unit: str) -> Sequence[Endpoint]:
        path, timeout = f"/units/{unit}/wake", Timeout(connect=5.0, headers=None, idle=None)
        try:
            value = await self._client.call("POST", self._host, path, timeout=timeout)
            endpoints = Wake.model_validate(value).endpoints
        except (ConnectFailed, PeerClosed) as cause:
            raise Unavailable(
                f"{unit} sleeps, and the host, which wakes agents, does not answer",
                hint="it is restarted within seconds: try again",
                retry_after=2,
            ) from cause
        except ValidationError as cause:
            raise BadPeer("the host's answer cannot be used") from cause
        if not endpoints:
            raise Unavailable(
                f"{unit} has no ready instance", hint=f"see `sutazai agents show {unit}`"
            )
        return endpoints
