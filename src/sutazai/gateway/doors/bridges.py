"""Where containers reach the gateway: on the addresses of this machine in their networks.

Everybody needs a key there, whatever the fleet allows on loopback.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sutazai.fleet.errors import SutazaiError
from sutazai.gateway.callers.origin import WILDCARDS
from sutazai.gateway.doors.listeners import Opener
from sutazai.wire import ListenerSpec, Server

log = logging.getLogger("sutazai.gateway")

BRIDGE = "bridge:"
"""How the names of these listeners begin."""


class BridgeListeners:
    """Listens where the host says that containers call from. What was opened stays open.

    Args:
        port: the same on all addresses.
        hosts: the addresses that requests may mean; those that are opened are added.
    """

    def __init__(self, server: Server, opener: Opener, port: int, hosts: set[str]) -> None:
        self._server = server
        self._opener = opener
        self._port = port
        self._hosts = hosts
        self._refused: set[str] = set()

    async def open(self, addresses: Iterable[str]) -> None:
        """Opens what is not open yet; what cannot be opened is tried again at the next call."""
        if not WILDCARDS.isdisjoint(self._hosts):
            return  # whoever listens on all addresses does so on these
        for address in addresses:
            if address not in self._hosts:
                await self._open(address)

    async def _open(self, address: str) -> None:
        try:
            spec = ListenerSpec(f"{BRIDGE}{address}", address, self._port)
            await self._opener.open(self._server, [spec])
        except SutazaiError as error:
            if address not in self._refused:
                log.warning("containers do not reach the gateway at %s: %s", address, error)
            self._refused.add(address)
        else:
            self._hosts.add(address)
