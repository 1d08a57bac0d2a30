"""What the scheduler is given and what it answers: entries, bounds, decisions, figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from sutazai.fleet.declared import Priority
from sutazai.fleet.serving import Overflow

LEVELS: tuple[Priority, ...] = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)
"""Priorities in the order in which they are served; inside, a level is an index of this."""

LEVEL_OF: dict[Priority, int] = {priority: level for level, priority in enumerate(LEVELS)}

MIB = 1024**2


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One call that asks for a slot.

    Args:
        id: unique among all entries that have not ended.
        client: who is charged; fairness holds between clients.
        priority: its level in the queue.
        target: what it asks for, a tier or a model; backends name the targets that they serve.
        deadline: when it stops waiting, on the scheduler's clock.
        prefix: what requests that begin with the same text have in common; empty for none.
        size: bytes that it holds while it waits.
        cost: seconds of a slot that it is expected to take.
        agent: whether it is an agent's, so that `Scheduler.pause` holds it.
    """

    id: str
    client: str
    priority: Priority
    target: str
    deadline: float
    prefix: str = ""
    size: int = 0
    cost: float = 1.0
    agent: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait: entries, bytes of them together, and what happens to the next one."""

    entries: int = 10_000
    bytes: int = 512 * MIB
    overflow: Overflow = Overflow.REJECT


@dataclass(frozen=True, slots=True)
class Position:
    """How things stand for an entry.

    Args:
        ahead: entries that are likely to start before it on the backends that serve it.
        eta: seconds until it is likely to start; None where nothing was measured yet, nothing
            serves it now, or it is held.
    """

    ahead: int
    eta: float | None


class Why(StrEnum):
    """Why an entry was rejected."""

    QUEUE_FULL = "queue full"
    NO_BACKEND = "no backend"
    TOO_LATE = "too late"
    SHED = "shed"


class Start(NamedTuple):
    """The entry has a slot on ``backend`` from now until it is finished or cancelled.

    ``slot`` is its index, below the backend's slots; nobody else has it meanwhile.
    """

    id: str
    backend: str
    slot: int


@dataclass(frozen=True, slots=True)
class Expire:
    """The entry waited past its deadline and is out."""

    id: str


@dataclass(frozen=True, slots=True)
class Reject:
    """The entry is refused and is out; ``position`` is what it would have had, where known."""

    id: str
    why: Why
    position: Position | None = None


Decision = Start | Expire | Reject


@dataclass(frozen=True, slots=True)
class Row:
    """One waiting entry, for people; ``waited`` in seconds."""

    id: str
    client: str
    priority: Priority
    target: str
    waited: float
    position: Position


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How things stand.

    Args:
        waiting: entries in the queue by priority.
        running: slots in use by backend, those of clients that left among them.
        leaving: of these, slots whose client left and whose backend has not stopped yet.
        size: bytes that wait.
        oldest_wait: in seconds, nought when nothing waits.
        paused: whether agents' entries are held.
    """

    waiting: dict[Priority, int]
    running: dict[str, int]
    leaving: int
    size: int
    oldest_wait: float
    paused: bool
