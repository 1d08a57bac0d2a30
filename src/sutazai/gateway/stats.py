"""What the gateway counts, and how it tells it."""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.fleet.declared import Priority
from sutazai.fleet.shapes import Shape
from sutazai.gateway.records.summary import Summary


@dataclass(frozen=True, slots=True)
class Counters:
    """Every call ends in exactly one of the first five; tokens are those that were computed."""

    done: int
    failed: int
    rejected: int
    expired: int
    cancelled: int
    tokens_in: int
    tokens_out: int


class BackendStats(Shape):
    """One backend; ``reason`` says why it is not available, or what else is the matter with it."""

    name: str
    available: bool
    reason: str
    slots: int
    running: int
    models: tuple[str, ...]


class GatewayStats(Shape):
    """The answer to `GET /stats`. ``uptime`` and ``oldest_wait`` are in seconds.

    ``recent`` is what the calls of the last minutes were like.
    """

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
    paused: bool = False
    cache_hits: int = 0
    shared: int = 0
    recent: Summary | None = None


class ModelStats(Shape):
    """One name that clients can ask for, and the backends that serve it."""

    name: str
    tier: bool
    backends: tuple[str, ...]
