"""How far a container's output was read, so that a new host reads on there. Pure.

Engines give each piece the time at which it was printed, some of them to the second only. So the
position is the time of the last piece, and how many pieces of that time were read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

MARGIN = 1
"""Seconds before the position from which output is asked for: whether an engine gives what was
printed at that very moment is its own affair."""


@dataclass(frozen=True)
class Position:
    """``time`` is as the engine writes it, empty before the first piece."""

    time: str = ""
    count: int = 0

    def __str__(self) -> str:
        return f"{self.time} {self.count}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """From the text of one; the beginning where it cannot be read."""
        time, _, count = text.strip().partition(" ")
        return cls(time, int(count)) if count.isdecimal() and moment(time) else cls()

    @classmethod
    def now(cls, time: float) -> Position:
        """Behind everything that was printed before ``time``, in seconds since 1970."""
        return cls(datetime.fromtimestamp(time, UTC).isoformat())

    @property
    def since(self) -> int:
        """From when on output is to be asked for, in seconds since 1970."""
        return max(0, int(moment(self.time)) - MARGIN)

    def after(self, time: str) -> Position:
        """The position behind a piece of that time."""
        return Position(time, self.count + 1 if time == self.time else 1)


class Reader:
    """Passes over what was read before."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self._passed = position.count

    def new(self, piece: bytes) -> str | None:
        """The text of a piece with its time before it; None where it was read before."""
        time, _, text = piece.decode("utf-8", "replace").partition(" ")
        if self._passed and moment(time) <= moment(self.position.time):
            self._passed -= time == self.position.time
            return None
        self.position = self.position.after(time)
        self._passed = 0
        return text


def moment(time: str) -> float:
    """Seconds since 1970 of an engine's time; 0 where it cannot be read."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return 0.0
