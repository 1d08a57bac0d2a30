"""What the gateway counts, and how it tells it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sutazai.fleet.desired import Shape
from sutazai.fleet.spec import Priority


class Outcome(StrEnum):
    """How a call ended; the names of the counters."""

    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Counters:
    """Plain integers that hot paths add to. Every call ends in exactly one of the first five."""

    done: int = 0
    failed: int = 0
    rejected: int = 0
    expired: int = 0
    cancelled: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def count(self, outcome: Outcome, tokens_in: int, tokens_out: int) -> None:
        """A call has ended."""
        setattr(self, outcome.value, getattr(self, outcome.value) + 1)
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out


class BackendStats(Shape):
    """One backend; ``reason`` says why it is not available."""

    name: str
    available: bool
    reason: str
    slots: int
    running: int
    models: tuple[str, ...]


class GatewayStats(Shape):
    """The answer to `GET /stats`. ``uptime`` and ``oldest_wait`` are in seconds."""

    backends: tuple[BackendStats, ...]
    queued: dict[Priority, int]
    running: int
    oldest_wait: float
    done: int
    failed: int
    rejected: int
    expired: int
    cancelled: int
    tokens_in: int
    tokens_out: int
    uptime: float
    incarnation: str
    revision: int
    problems: tuple[str, ...] = ()


class ModelStats(Shape):
    """One name that clients can ask for, and the backends that serve it."""

    name: str
    tier: bool
    backends: tuple[str, ...]
