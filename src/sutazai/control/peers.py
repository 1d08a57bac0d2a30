"""Control's two peers on this machine, over their Unix sockets: typed calls, every one bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sutazai.fleet.arms import ArmsSeen
from sutazai.fleet.desired import Desired
from sutazai.fleet.drift import BackendHeld, HostHeld
from sutazai.fleet.errors import BadPeer
from sutazai.fleet.routes import Routes
from sutazai.fleet.status import HostStatus, UnitStatus
from sutazai.gateway.stats import GatewayStats
from sutazai.wire import Address, Client, ClientResponse, Timeout

QUICK = Timeout(connect=2.0, headers=5.0, idle=5.0)
MEASURING = Timeout(connect=2.0, headers=30.0, idle=5.0)
ENDLESS = Timeout(connect=2.0, headers=10.0, idle=None)

M = TypeVar("M", bound=BaseModel)


class Peer:
    """One process on its socket."""

    def __init__(self, client: Client, name: str, socket: Path) -> None:
        self.name = name
        self._client = client
        self._address = Address.parse(f"unix:{socket}")

    async def call(
        self, method: str, target: str, value: Any = None, timeout: Timeout = QUICK
    ) -> Any:
        """JSON in, JSON out. Raises any SutazaiError."""
        return await self._client.call(method, self._address, target, value, timeout=timeout)

    async def stream(
        self,
        method: str,
        target: str,
        *,
        headers: list[tuple[str, str]] | None = None,
        body: bytes = b"",
        timeout: Timeout = ENDLESS,
    ) -> ClientResponse:
        """An answer whose body is still to come; whoever asks closes it."""
        return await self._client.request(
            method, self._address, target, headers=headers or (), body=body, timeout=timeout
        )

    def _shaped(self, shape: type[M], value: Any) -> M:
        try:
            return shape.model_validate(value)
        except ValidationError as error:
            raise BadPeer(f"the {self.name} gave an answer of another form: {error}") from error


class HostPeer(Peer):
    """The supervisor of this machine."""

    async def status(self, *, memory: bool = False) -> HostStatus:
        """What its units do; ``memory`` measures each of them (about 1 ms each)."""
        target = "/status?memory=1" if memory else "/status"
        value = await self.call("GET", target, timeout=MEASURING if memory else QUICK)
        return self._shaped(HostStatus, value)

    async def want(self, desired: Desired) -> None:
        """Tells what should run."""
        # The host holds what is named here of 10,000 units: see `host.desired`.
        await self.call("PUT", "/desired", desired.model_dump(mode="json", exclude_defaults=True))

    async def change(self, unit: str, verb: str) -> UnitStatus:
        """`start`, `stop` or `restart` of one unit. Raises NotFound."""
        return self._shaped(UnitStatus, await self.call("POST", f"/units/{unit}/{verb}"))

    async def held(self) -> HostHeld:
        """What it was told, and what its instances really run under."""
        return self._shaped(HostHeld, await self.call("GET", "/held"))

    async def renew(self, unit: str, instance: str) -> None:
        """Ends one instance politely; a new one takes its place. Raises NotFound."""
        await self.call("POST", f"/units/{unit}/restart?instance={instance}")


class GatewayPeer(Peer):
    """The data plane of this machine."""

    async def stats(self) -> GatewayStats:
        """What it counts and what its backends do."""
        return self._shaped(GatewayStats, await self.call("GET", "/stats"))

    async def held(self) -> list[BackendHeld]:
        """What its backends really have."""
        found = await self.call("GET", "/backends/held", timeout=MEASURING)
        return [self._shaped(BackendHeld, each) for each in found]

    async def arms(self) -> ArmsSeen:
        """What the units of agents that move did."""
        return self._shaped(ArmsSeen, await self.call("GET", "/arms"))

    async def route(self, routes: Routes) -> None:
        """Tells where calls go."""
        await self.call("PUT", "/routes", routes.model_dump(mode="json"))
