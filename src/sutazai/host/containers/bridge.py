"""The fleet's own network in the engine, and the gateway's address on it.

A container does not reach the machine's loopback. So the gateway listens on this network's address
of the machine too, where it asks everybody for a key.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import socket
from pathlib import Path

from sutazai.fleet.errors import Failed
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Network
from sutazai.host.containers.engine import FLEET
from sutazai.host.containers.threads import in_thread
from sutazai.host.endpoints import Endpoints

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (where to call who listens there)


class Bridge:
    """One network for all containers of the fleet; they call each other by their units' names."""

    def __init__(self, places: Places, endpoints: Endpoints) -> None:
        self.name = f"sutazai-{places.runtime.name}"
        self._places = places
        self._endpoints = endpoints
        self._making = asyncio.Lock()

    async def make(self, engine: Path) -> str:
        """The machine's address on the network, which is made where it is not there.

        Raises Failed.
        """
        labels = {FLEET: str(self._places.state)}

        def make() -> str:
            creating = importlib.import_module("sutazai.host.containers.creating")
            return str(creating.bridge(engine, self.name, labels))

        async with self._making:  # engines make two of one name where they are asked twice
            return await in_thread("make a bridge", make)

    def gateway(self, network: Network, address: str) -> str:
        """The base URL of the gateway for a container; on the bridge it is at ``address``."""
        ports = json.loads(self._places.config.read_bytes())["ports"]
        here = WILDCARDS.get(ports["host"], ports["host"])
        host = here if network is Network.HOST else address
        return f"http://{f'[{host}]' if ':' in host else host}:{ports['gateway']}"

    def open(self, address: str) -> None:
        """Has the gateway listen at ``address``, which is there once a container is.

        Raises Failed where it is not this machine's.
        """
        _check_ours(address)
        self._endpoints.bridge(address)


def _check_ours(address: str) -> None:
    """Engines without root keep their bridges in a network of their own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            raise Failed(
                f"containers on the engine's bridge do not reach this machine at {address}",
                hint="set `network: host`, as is needed where the engine runs without root",
            ) from error
