"""A choice by weights that is smooth and, over time, exact. Pure.

Each time every candidate earns its share of one choice, and who has earned most is chosen and pays
one. So of n choices a candidate with share s gets n·s, never off by more than the number of
candidates, and those of one candidate are spread evenly: 3 to 1 gives a a b a, not a a a b.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Weighted(Generic[K]):
    """Remembers what candidates have earned, in choices. It outlives changes of their weights; who
    is away earns nothing, and forgets."""

    __slots__ = ("_earned",)

    def __init__(self) -> None:
        self._earned: dict[K, float] = {}

    def choose(self, weights: Mapping[K, float]) -> K | None:
        """One of the candidates, None where none weighs anything.

        Args:
            weights: of all candidates; one that weighs nothing is not chosen.
        """
        total = sum(weights.values())
        if not total > 0:
            return None
        self._earned = {
            key: self._earned.get(key, 0.0) + weight / total
            for key, weight in weights.items()
            if weight > 0
        }
        chosen = max(self._earned, key=self._earned.__getitem__)
        self._earned[chosen] -= 1.0
        return chosen
