"""Gives durable tasks to other agents, as often as it takes until one is written down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from sutazai.agent.identity import Identity
from sutazai.fleet.errors import ConnectFailed, PeerClosed, QueueFull, Unavailable
from sutazai.wire import Address, Client, Timeout

PATIENCE = 30.0
"""Seconds for which a control that is away is tried again."""
TIMEOUT = Timeout(headers=60.0, idle=60.0)
WAIT_FIRST, WAIT_MOST = 0.1, 2.0


async def give(client: Client, identity: Identity, request: Mapping[str, Any]) -> str:
    """The id of the task that was made of ``request``, which has an idempotency key.

    Raises the error that it was refused with, and Unavailable once patience is spent.
    """
    until, wait = time.monotonic() + PATIENCE, WAIT_FIRST
    address = Address.parse(identity.gateway)
    headers = [("authorization", f"Bearer {identity.key}")]
    while True:
        try:
            task = await client.call(
                "POST", address, "/tasks", request, headers=headers, timeout=TIMEOUT
            )
            return str(task["id"])
        except (ConnectFailed, PeerClosed, Unavailable) as error:
            if isinstance(error, QueueFull) or time.monotonic() + wait > until:
                raise
        await asyncio.sleep(wait)
        wait = min(2 * wait, WAIT_MOST)
