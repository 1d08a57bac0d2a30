"""Asks an instance whether it is well."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import Probe
from sutazai.fleet.errors import SutazaiError
from sutazai.wire import Address, Client, Timeout


@dataclass(frozen=True)
class Health:
    """The answer to one check: ``idle`` in seconds, and the highest priority of the work in hand
    (``serves``), where the instance tells them."""

    well: bool
    reason: str = ""
    idle: float | None = None
    serves: Priority | None = None


async def check(client: Client, address: str | None, probe: Probe) -> Health:
    """One health check; never raises. Without a way to ask, running is being well."""
    if address is None or not (probe.path or probe.tcp):
        return Health(True)
    if probe.path is None:
        return await _connects(Address.parse(address), probe.timeout)
    limit = probe.timeout
    timeout = Timeout(connect=limit, headers=limit, idle=limit)
    try:
        where = Address.parse(address)
        async with await client.request("GET", where, probe.path, timeout=timeout) as response:
            body = await response.read()
    except SutazaiError as error:
        return Health(False, error.message)
    if not 200 <= response.status < 400:
        return Health(False, f"{probe.path} answered {response.status}")
    idle, serves = load_of(body)
    return Health(True, idle=idle, serves=serves)


async def _connects(address: Address, limit: float) -> Health:
    try:
        async with asyncio.timeout(limit):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except (OSError, TimeoutError) as error:
        return Health(False, f"no connection to {address}: {error or 'timed out'}")
    writer.close()
    return Health(True)


def load_of(body: bytes) -> tuple[float | None, Priority | None]:
    """How long an instance is idle, and the highest priority of its work; None of what it does not
    tell."""
    try:
        told = json.loads(body)
        idle, serves = told.get("idle"), told.get("serving")
    except (ValueError, AttributeError):
        return None, None
    known = serves in Priority.__members__.values()
    return (
        float(idle) if isinstance(idle, int | float) else None,
        Priority(serves) if known else None,
    )
