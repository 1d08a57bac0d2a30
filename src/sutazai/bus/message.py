"""What travels: messages, and what became of those that could not be delivered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

OVERHEAD = 200
"""Bytes that a message takes beside its body, as bounds count it."""


class Message(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One message on its way to one agent.

    Args:
        id: unique; the same id is the same message, however often it is sent.
        sender: who sent it, as the gateway knows it.
        to: the agent that gets it.
        type: what it is about.
        body: JSON, as the sender wrote it.
        published: seconds since 1970.
        expires: after that it is not delivered any more.
        version: of its type.
        topic: the topic that it was published on, or nothing.
        asked: somebody waits for the answer.
        cause: the message that its sender was handling when it asked, or nothing.
    """

    id: str
    sender: str
    to: str
    type: str
    body: bytes
    published: float
    expires: float
    version: int = 1
    topic: str = ""
    asked: bool = False
    cause: str = ""

    @property
    def size(self) -> int:
        """Bytes that bounds count."""
        return len(self.body) + OVERHEAD


class Reason(StrEnum):
    """Why a message was given up."""

    EXPIRED = "expired"
    REFUSED = "refused"
    TRIES = "too-many-tries"
    UNKNOWN = "unknown-receiver"


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """A dead letter: a message that was given up, why, and when (seconds since 1970).

    ``error`` is what was said last about it, ``tries`` how often it was delivered.
    """

    message: Message
    reason: Reason
    at: float
    error: str = ""
    tries: int = 0


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What inboxes hold and how long delivery is tried. Sizes in bytes, durations in seconds."""

    count: int = 1000
    size: int = 4 * 1024**2
    total: int = 256 * 1024**2
    tries: int = 5
    letters: int = 10_000
    letters_kept: float = 7 * 86_400.0
