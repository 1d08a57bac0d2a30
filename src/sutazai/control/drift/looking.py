"""Looks at each kind: asks host, gateway and this machine, and has their answers compared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from sutazai.control.drift.code import CodeOnDisk
from sutazai.control.drift.ports import PortWatch, registered
from sutazai.control.peers import GatewayPeer, HostPeer
from sutazai.control.reconciler import Reconciler
from sutazai.control.settings import Settings
from sutazai.fleet.drift import DriftKind
from sutazai.observe.drift.accepted import Digests, code_look, model_look, remembered
from sutazai.observe.drift.facts import Look
from sutazai.observe.drift.instances import environment_look, limits_look
from sutazai.observe.drift.outside import backend_look, port_look
from sutazai.observe.drift.versions import version_look

TOGETHER = 0.5
"""Seconds for which an answer serves all kinds that are looked at together."""

T = TypeVar("T")

NOT_PLANNED = Look(unchecked=("nothing is planned yet",))


class Shared(Generic[T]):
    """What one peer tells, asked for once for all that want it at the same moment."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._told: tuple[float, T] | None = None

    async def get(self) -> T:
        """What it told a moment ago, else what it tells now. Raises any SutazaiError."""
        if self._told is None or time.monotonic() - self._told[0] > TOGETHER:
            self._told = time.monotonic(), await self._ask()
        return self._told[1]


class Looker:
    """The eyes of the drift desk. Every look raises any SutazaiError, or OSError.

    Attributes:
        digests: those of models when they were first seen.
    """

    def __init__(
        self, settings: Settings, reconciler: Reconciler, host: HostPeer, gateway: GatewayPeer
    ) -> None:
        self.digests: Digests = {}
        self._settings = settings
        self._reconciler = reconciler
        self._held = Shared(host.held)
        self._servers = Shared(gateway.held)
        self._code = CodeOnDisk(settings.fleet.agents, settings.base)
        self._registered = registered(settings)
        self._ports = PortWatch(self._registered)

    def looks(self) -> Mapping[DriftKind, Callable[[], Awaitable[Look]]]:
        """How each kind is looked at."""
        return {
            DriftKind.VERSION: self._versions,
            DriftKind.ENVIRONMENT: self._environment,
            DriftKind.LIMITS: self._limits,
            DriftKind.CODE: self._codes,
            DriftKind.MODEL: self._models,
            DriftKind.BACKEND: self._backends,
            DriftKind.PORT: self._strangers,
        }

    async def _versions(self) -> Look:
        planned = self._reconciler.planned
        if not planned:
            return NOT_PLANNED
        return version_look({unit.name: unit.version for unit in planned}, await self._held.get())

    async def _environment(self) -> Look:
        return environment_look((await self._held.get()).instances)

    async def _limits(self) -> Look:
        return limits_look(self._reconciler.planned, await self._held.get())

    async def _codes(self) -> Look:
        return code_look(self._settings.codes, await asyncio.to_thread(self._code.look))

    async def _models(self) -> Look:
        held = await self._servers.get()
        self.digests = remembered(self.digests, held)
        return model_look(self.digests, held)

    async def _backends(self) -> Look:
        return backend_look(await self._servers.get())

    async def _strangers(self) -> Look:
        ours = (await self._held.get()).pids
        return port_look(self._registered, await asyncio.to_thread(self._ports.look, ours))
