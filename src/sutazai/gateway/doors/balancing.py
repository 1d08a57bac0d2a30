"""Which of an agent's ready instances the next call goes to. Pure.

With weights, first the unit, so that each gets its share of calls however many instances it
has; then an instance of it, by load or in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sutazai.fleet.serving import Balance
from sutazai.gateway.doors.instances import Instance
from sutazai.gateway.doors.weights import Weighted

UNNAMED = 1.0
"""The weight of a unit that is not named."""


class Balancer:
    """Shares the calls of one agent out among its instances."""

    def __init__(self) -> None:
        self._balance = Balance.LEAST_LOADED
        self._weights: Mapping[str, float] = {}
        self._units: Weighted[str] = Weighted()

    def update(self, balance: Balance, weights: Mapping[str, float]) -> None:
        """The rule from now on; ``weights`` is by unit, empty for no difference."""
        self._balance = balance
        self._weights = weights

    def choose(self, ready: Sequence[Instance], unit: str = "") -> Instance | None:
        """One of those that take calls, None where there is none; with weights one of ``unit``
        where that is ready."""
        if self._weights:
            of_unit = [each for each in ready if each.endpoint.owner == unit]
            ready = of_unit or self._of_one_unit(ready)
        if self._balance is Balance.ROUND_ROBIN:
            return min(ready, key=lambda each: each.turn, default=None)
        return min(ready, key=lambda each: each.rank, default=None)

    def _of_one_unit(self, ready: Sequence[Instance]) -> Sequence[Instance]:
        present = {each.endpoint.owner for each in ready}
        chosen = self._units.choose(
            {one: self._weights.get(one, UNNAMED) for one in sorted(present)}
        )
        return [each for each in ready if each.endpoint.owner == chosen]
