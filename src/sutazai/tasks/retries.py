"""When a failed attempt is made again, and after how long. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.fleet.errors import (
    BadInput,
    ConnectFailed,
    NotFound,
    PeerClosed,
    Refused,
    SutazaiError,
)

HOPELESS = (BadInput, NotFound, Refused)
"""Trying again gives the same answer."""
NOT_THE_AGENTS = (ConnectFailed, PeerClosed)
"""The way to the agent broke, not the agent."""


@dataclass(frozen=True)
class Retries:
    """Exponential back-off: ``first``, ``first * factor``, … seconds, ``longest`` at most.

    Args:
        limit: how often a failed attempt is made again.
        only: kinds of error worth another attempt.
    """

    limit: int
    first: float = 1.0
    factor: float = 2.0
    longest: float = 30.0
    only: tuple[type[SutazaiError], ...] = (SutazaiError,)

    def delay(self, failures: int, error: SutazaiError) -> float | None:
        """Seconds until the next attempt after ``failures`` failed ones; None to give up."""
        if failures > self.limit or isinstance(error, HOPELESS) or not isinstance(error, self.only):
            return None
        return min(self.first * self.factor ** (failures - 1), self.longest)
