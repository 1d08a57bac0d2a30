"""Puts drift right, by kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from sutazai.control.peers import HostPeer
from sutazai.control.reconciler import Reconciler
from sutazai.control.revising import Reviser
from sutazai.control.settings import Settings
from sutazai.fleet.drift import DriftFinding, DriftKind
from sutazai.fleet.revisions import Application
from sutazai.observe.drift.accepted import NO_CODE

Mend = Callable[[Sequence[DriftFinding]], Awaitable[None]]
"""Raises any SutazaiError, or OSError."""


class Mender:
    """The hands of the drift desk."""

    def __init__(
        self, settings: Settings, reconciler: Reconciler, host: HostPeer, reviser: Reviser
    ) -> None:
        self._settings = settings
        self._reconciler = reconciler
        self._host = host
        self._reviser = reviser

    def mends(self) -> Mapping[DriftKind, Mend]:
        """How each kind is put right, of those that can be."""
        return {
            DriftKind.VERSION: self._versions,
            DriftKind.ENVIRONMENT: self._restart,
            DriftKind.LIMITS: self._restart,
            DriftKind.CODE: self._accept,
        }

    async def _versions(self, findings: Sequence[DriftFinding]) -> None:
        """A host that was told something else replaces instances itself once it is told again."""
        told_wrong = {one.unit for one in findings if not one.instance}
        if told_wrong:
            await self._reconciler.tell_host_again()
        await self._restart([one for one in findings if one.unit not in told_wrong])

    async def _restart(self, findings: Sequence[DriftFinding]) -> None:
        for unit, instance in dict.fromkeys((one.unit, one.instance) for one in findings):
            await self._host.renew(unit, instance)

    async def _accept(self, findings: Sequence[DriftFinding]) -> None:
        """The same fleet with the code that is on disk, for whose agents that was decided."""
        settings = self._settings
        units = sorted({one.unit for one in findings})
        codes = {**settings.codes, **{one.unit: one.seen for one in findings}}
        codes = {name: digest for name, digest in codes.items() if digest != NO_CODE}
        await self._reviser.apply(
            Application(
                fleet=settings.fleet.model_dump(mode="json", by_alias=True),
                codes=codes,
                file=settings.config.fleet_file,
                author="drift",
                reason=f"code on disk of {', '.join(units)}",
            )
        )
