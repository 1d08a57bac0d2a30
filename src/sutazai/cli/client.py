"""The control API as the commands see it: that of the fleet that is meant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from sutazai.cli import fleets
from sutazai.cli.config import read_config, read_token
from sutazai.client import Control, log_of
from sutazai.fleet.errors import ConnectFailed, Unavailable
from sutazai.fleet.places import Places
from sutazai.wire import Address, Client

T = TypeVar("T")


@asynccontextmanager
async def connected(places: Places) -> AsyncIterator[Control]:
    """The control of the fleet that runs on ``places``."""
    ports = read_config(places).ports
    url = ports.url(ports.control)
    async with Client() as client:
        try:
            yield Control(client, Address.parse(url), read_token(places), places)
        except ConnectFailed as error:
            raise Unavailable(f"control does not answer on {url}", hint=log_of(places)) from error


def with_control(state: Path | None, work: Callable[[Control], Awaitable[T]]) -> T:
    """What ``work`` returns, called with the control of the running fleet that is meant.

    Raises NotRunning, Unavailable, and whatever control refuses.
    """
    places = fleets.running(state)

    async def connect_and_work() -> T:
        async with connected(places) as control:
            return await work(control)

    return asyncio.run(connect_and_work())
