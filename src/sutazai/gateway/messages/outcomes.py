"""What an instance says of a delivery, line by line as its handlers end. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from sutazai.bus.bus import Settled
from sutazai.bus.inboxes import TAKEN, Fate, Outcome
from sutazai.bus.message import Message
from sutazai.fleet.errors import BadPeer, SutazaiError, from_dict

BUSY_REST = 1.0
"""Seconds until messages are delivered again that an instance left."""


class Line(msgspec.Struct):
    """Numbers of the delivery's messages, by what became of them; errors in their common form."""

    taken: list[int] = []
    failed: dict[int, dict[str, Any]] = {}
    refused: dict[int, dict[str, Any]] = {}
    left: list[int] = []
    answers: dict[int, msgspec.Raw] = {}


_DECODER = msgspec.json.Decoder(Line)


class Delivery:
    """The messages of one delivery that nothing is known of yet."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._open: dict[int, Message] = dict(enumerate(messages))

    def __len__(self) -> int:
        return len(self._open)

    def hear(self, data: bytes) -> tuple[list[Settled], list[tuple[Message, bytes | SutazaiError]]]:
        """What one line settles, and what it answers to questions. Raises BadPeer."""
        try:
            line = _DECODER.decode(data)
        except msgspec.MsgspecError as cause:
            raise BadPeer(f"an instance answers a delivery with {data[:200]!r}") from cause
        settled: list[Settled] = [(message, TAKEN) for message in self._pop(line.taken)]
        settled += [
            (message, Outcome(Fate.LEFT, rest=BUSY_REST)) for message in self._pop(line.left)
        ]
        answers: list[tuple[Message, bytes | SutazaiError]] = []
        for fate, errors in ((Fate.FAILED, line.failed), (Fate.REFUSED, line.refused)):
            for number, value in errors.items():
                for message in self._pop([number]):
                    error = from_dict(value)
                    if message.asked:
                        answers.append((message, error))
                    else:
                        settled.append((message, Outcome(fate, error.message)))
        for number, raw in line.answers.items():
            answers += [(message, bytes(raw)) for message in self._pop([number])]
        return settled, answers

    def rest(self) -> list[Message]:
        """Those of which nothing was said."""
        found = list(self._open.values())
        self._open.clear()
        return found

    def _pop(self, numbers: Sequence[int]) -> Iterator[Message]:
        for number in numbers:
            if (message := self._open.pop(number, None)) is not None:
                yield message
