"""Control's two peers on this machine, over their Unix sockets: typed calls, every one bounded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import TypeAdapter, ValidationError

from sutazai.fleet.arms import ArmsSeen
from sutazai.fleet.desired import Desired
from sutazai.fleet.drift import BackendHeld, HostHeld
from sutazai.fleet.errors import BadPeer
from sutazai.fleet.routes import Routes
from sutazai.fleet.status import HostStatus, UnitStatus
from sutazai.fleet.traces import ModelCall
from sutazai.fleet.work import Task
from sutazai.gateway.stats import GatewayStats
from sutazai.wire import Address, Client, ClientResponse, Timeout

QUICK = Timeout(connect=2.0, headers=5.0, idle=5.0)
MEASURING = Timeout(connect=2.0, headers=30.0, idle=5.0)
CALLS_MAX = 1_000
"""Most calls to models that a trace shows."""
ENDLESS = Timeout(connect=2.0, headers=10.0, idle=None)

T = TypeVar("T")

_BACKENDS = TypeAdapter(list[BackendHeld])
_CALLS = TypeAdapter(list[ModelCall])


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

    async def tell(self, target: str, value: bytes) -> None:
        """Puts ``value``, in JSON. Raises any SutazaiError."""
        await self._client.exchange("PUT", self._address, target, value, timeout=QUICK)

    async def ask(
        self,
        parse: Callable[[bytes], T],
        target: str,
        *,
        method: str = "GET",
        timeout: Timeout = QUICK,
    ) -> T:
        """What ``parse`` makes of the answer. Raises any SutazaiError."""
        data = await self._client.exchange(method, self._address, target, timeout=timeout)
        try:
            return parse(data)
        except ValidationError as error:
            raise BadPeer(f"the {self.name} gave an answer of another form: {error}") from error


class HostPeer(Peer):
    """The supervisor of this machine."""

    async def status(self, *, memory: bool = False) -> HostStatus:
        """What its units do; ``memory`` measures each of them (about 1 ms each)."""
        target = "/status?memory=1" if memory else "/status"
        patience = MEASURING if memory else QUICK
        return await self.ask(HostStatus.model_validate_json, target, timeout=patience)

    async def want(self, desired: Desired) -> None:
        """Tells what should run."""
        # The host holds what is named here of 10,000 units: see `host.desired`.
        await self.tell("/desired", desired.model_dump_json(exclude_defaults=True).encode())

    async def change(self, unit: str, verb: str) -> UnitStatus:
        """`start`, `stop` or `restart` of one unit. Raises NotFound."""
        return await self.ask(
            UnitStatus.model_validate_json, f"/units/{unit}/{verb}", method="POST"
        )

    async def held(self) -> HostHeld:
        """What it was told, and what its instances really run under."""
        return await self.ask(HostHeld.model_validate_json, "/held")

    async def renew(self, unit: str, instance: str) -> None:
        """Ends one instance politely; a new one takes its place. Raises NotFound."""
        await self.call("POST", f"/units/{unit}/restart?instance={instance}")


class GatewayPeer(Peer):
    """The data plane of this machine."""

    async def stats(self) -> GatewayStats:
        """What it counts and what its backends do."""
        return await self.ask(GatewayStats.model_validate_json, "/stats")

    async def held(self) -> list[BackendHeld]:
        """What its backends really have."""
        return await self.ask(_BACKENDS.validate_json, "/backends/held", timeout=MEASURING)

    async def calls(self, task: Task) -> list[ModelCall]:
        """The calls to models for a task, as they are recorded; the newest `CALLS_MAX`."""
        query = {"task": task.id, "since": f"{task.created:.3f}", "limit": CALLS_MAX}
        return await self.ask(_CALLS.validate_json, f"/calls?{urlencode(query)}")

    async def arms(self) -> ArmsSeen:
        """What the units of agents that move did."""
        return await self.ask(ArmsSeen.model_validate_json, "/arms")

    async def route(self, routes: Routes) -> None:
        """Tells where calls go."""
        await self.tell("/routes", routes.model_dump_json().encode())
