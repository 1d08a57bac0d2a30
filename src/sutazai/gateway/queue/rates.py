"""How long entries hold their slots, as measured here."""

from __future__ import annotations

from collections.abc import Collection

SHARE = 0.1
"""Weight of the latest entry in the moving means."""


class Rates:
    """Moving means in seconds, None until something was measured."""

    __slots__ = ("_targets", "cost", "slot")

    def __init__(self) -> None:
        self._targets: dict[str, float] = {}
        self.slot: float | None = None
        self.cost: float | None = None

    def ended(self, target: str, slot: float, cost: float) -> None:
        """An entry held its slot for so long, and was charged so much for it."""
        # A mean that begins is its first entry's.
        slots, costs = self.slot, self.cost
        self.slot = slot if slots is None else slots + (slot - slots) * SHARE
        self.cost = cost if costs is None else costs + (cost - costs) * SHARE
        mean = self._targets.get(target, slot)
        self._targets[target] = mean + (slot - mean) * SHARE

    def of(self, target: str) -> float | None:
        """Seconds of a slot that an entry for ``target`` takes; of any entry, where none for
        ``target`` was measured."""
        return self._targets.get(target, self.slot)

    @property
    def longest(self) -> float:
        return max(self._targets.values(), default=0.0)

    def keep(self, targets: Collection[str]) -> None:
        """Forgets all but ``targets``."""
        self._targets = {name: mean for name, mean in self._targets.items() if name in targets}
