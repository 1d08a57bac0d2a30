"""Asks an instance whether it is well."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import Probe
from sutazai.fleet.errors import SutazaiError
from sutazai.host.own_metrics import Own, own_in
from sutazai.wire import Address, Client, Timeout


@dataclass(frozen=True)
class Health:
    """The answer to one check: ``idle`` in seconds, the highest priority of the work in hand
    (``serves``), and metrics of its own, where the instance tells them."""

    well: bool
    reason: str = ""
    idle: float | None = None
    serves: Priority | None = None
    own: tuple[Own, ...] = ()


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
    told = _told_in(body)
    idle, serves = _load(told)
    return Health(True, idle=idle, serves=serves, own=own_in(told.get("metrics")))


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
    return _load(_told_in(body))


def _told_in(body: bytes) -> dict[str, Any]:
    """The object that an answer is; an empty one where it is none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _load(told: dict[str, Any]) -> tuple[float | None, Priority | None]:
    idle, serves = told.get("idle"), told.get("serving")
    return (
        _seconds(idle),
        next((each for each in Priority if each == serves), None),
    )


def _seconds(value: object) -> float | None:
    """A time that an instance tells; None for what is none, whatever it sends."""
    if not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None
