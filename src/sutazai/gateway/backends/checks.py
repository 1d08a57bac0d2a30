"""When a backend is to show that it can generate, and with which model. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts for one backend.

    Args:
        every: seconds without an answer after which it is asked.
        since: since when it is there.
        answered: when each model last answered.
        checked: when it was last asked so, minus infinity for never.
        resident: what it has in memory, None where all its models count as loaded.
        models: what it could be asked for, the likeliest first.
    """

    every: float
    since: float
    answered: Mapping[str, float]
    checked: float
    resident: frozenset[str] | None
    models: Iterable[str]


def check(now: float, standing: Standing) -> str | None:
    """The model to be asked for a token now, None for none.

    A model is never loaded only to be asked. Where models leave the memory when they are idle, it
    is asked once after a call and then left alone, or it would never be idle.
    """
    last = max(standing.answered.values(), default=float("-inf"))
    if now - max(last, standing.checked, standing.since) < standing.every:
        return None
    resident = standing.resident
    if resident is not None and standing.checked > last:
        return None
    models = sorted(standing.models, key=lambda each: -standing.answered.get(each, 0.0))
    return next((model for model in models if resident is None or model in resident), None)
