"""The end of a fleet's containers: those that its host did not end, and its network."""

from __future__ import annotations

import asyncio

from sutazai.fleet.places import Places
from sutazai.host.containers.engine import Engine
from sutazai.host.containers.place import ContainerPlace, read_place
from sutazai.wire import Client

GRACE = 5.0
"""Seconds that a container has to end by itself."""


def clear_containers(places: Places) -> int:
    """Ends and removes all containers of a fleet that has no host any more; how many there were.

    Containers that the fleet was only attached to are none of them. Raises Failed where the engine
    does not answer.
    """
    place = read_place(places.containers)
    if place is None:
        return 0
    ended = asyncio.run(_clear(str(places.state), place))
    places.containers.unlink(missing_ok=True)
    return ended


async def _clear(fleet: str, place: ContainerPlace) -> int:
    async with Client() as client:
        engine = Engine(client, place.socket)
        found = [str(each["Id"]) for each in await engine.ours(fleet)]
        await asyncio.gather(*(_end(engine, container) for container in found))
        await engine.remove_network(place.network)
    return len(found)


async def _end(engine: Engine, container: str) -> None:
    await engine.stop(container, GRACE)
    await engine.remove(container)
