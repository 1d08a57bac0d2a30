"""What the gateway counts, and how it tells it."""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.fleet.declared import Priority
from sutazai.fleet.shapes import Shape
from sutazai.gateway.records.call import CallRecord
from sutazai.gateway.records.summary import Summary


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

    def observe(self, record: CallRecord) -> None:
        """A call has ended."""
        name = record.outcome
        setattr(self, name, getattr(self, name) + 1)
        if not record.cache:
            self.tokens_in += record.prompt_tokens
            self.tokens_out += record.completion_tokens


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
