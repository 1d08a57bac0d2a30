"""Which targets nothing serves, and since when: a restart is bridged, an outage is told."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sutazai.gateway.queue.lanes import Backend
from sutazai.gateway.queue.waiting import Line, Want

OUTAGE_GRACE = 10.0
"""Seconds for which entries are held while no backend of their target is available."""


class Outages:
    """Follows the backends as they come and go."""

    def __init__(self) -> None:
        self._declared: dict[str, frozenset[str]] = {}  # target → backends, well or not
        self._served: dict[str, frozenset[str]] = {}  # target → backends that are available
        self._since: dict[str, float] = {}  # target → since when nothing serves it

    def update(self, now: float, backends: Collection[Backend], lines: Iterable[Line]) -> None:
        """The backends there are from now on."""
        before, self._declared = self._declared, _by_target(backends)
        self._served = _by_target([backend for backend in backends if backend.available])
        # What was served until now may be back soon, though nobody declares it at the moment.
        known = before.keys() | self._declared.keys() | self._since.keys()
        since = {target: self._since.get(target, now) for target in known - self._served.keys()}
        self._since = {
            target: began
            for target, began in since.items()
            if target in self._declared or now - began < OUTAGE_GRACE
        }
        for line in lines:
            if self._serves(line.want):
                line.unserved = None
            elif line.unserved is None:
                line.unserved = self._since.get(line.want.target, now)

    def holds(self, now: float, want: Want) -> bool:
        """Whether an entry is served, or an outage is so short that it may wait."""
        if self._serves(want):
            return True
        since = self.since(now, want)
        return since is not None and now - since < OUTAGE_GRACE

    def since(self, now: float, want: Want) -> float | None:
        """Since when nothing serves an entry; None where something does or nothing ever will."""
        if self._serves(want):
            return None
        if not want.without:
            return self._since.get(want.target)
        hope = self._declared.get(want.target, frozenset()) - want.without
        return self._since.get(want.target, now) if hope else None

    def _serves(self, want: Want) -> bool:
        served = self._served.get(want.target)
        return served is not None and not served <= want.without


def _by_target(backends: Iterable[Backend]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for backend in backends:
        for target in backend.targets:
            found.setdefault(target, set()).add(backend.name)
    return {target: frozenset(names) for target, names in found.items()}
