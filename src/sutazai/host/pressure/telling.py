"""Tells an instance what is about to happen to it, and hears what it has in hand."""

from __future__ import annotations

import asyncio
import json

from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.status import Level
from sutazai.host.instances.instance import Instance
from sutazai.host.instances.probes import load_of
from sutazai.wire import Address, Client

HEARS = 2.0
"""Seconds that an agent has between hearing of its end and that end."""
MARGIN = 0.5
"""Seconds beyond, for the answer to come back."""
HEADER = ("x-sutazai-pressure", "1")
"""Tells an instance that it is the host who speaks: the gateway lets it through from nobody."""


async def tell(client: Client, instance: Instance, *, level: Level, action: str) -> None:
    """Returns when the agent is ready for its end, or its time is over.

    Notes what it says of its work; one that does not answer is ended all the same.
    """
    body = json.dumps({"level": level, "action": action, "seconds": HEARS}).encode()
    where = Address.parse(str(instance.record.address))
    try:
        async with (
            asyncio.timeout(HEARS + MARGIN),
            await client.request("POST", where, "/pressure", headers=[HEADER], body=body) as answer,
        ):
            load = load_of(await answer.read())
    except (SutazaiError, TimeoutError):
        return
    if answer.status == 200:
        instance.note_load(*load)
