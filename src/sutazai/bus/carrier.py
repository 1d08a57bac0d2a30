"""What makes a publish last: the face that every broker has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from sutazai.bus.message import Message
from sutazai.fleet.errors import SutazaiError

Arrive = Callable[[Message], bool]
"""A message is here to be delivered. False where it was here before and is done with."""

Answers = Sequence[SutazaiError | None]
"""What came of each message: None where it is accepted."""


class Carrier(Protocol):
    """Takes messages in, keeps them, and brings them to inboxes.

    A message that was accepted and not told as `done` arrives again after a restart, in its order.
    """

    async def open(self, arrive: Arrive) -> None:
        """Raises Unavailable where it cannot be reached."""

    async def serve(self, agents: Iterable[str]) -> None:
        """The agents whose messages are to arrive here from now on."""

    async def publish(self, messages: Sequence[Message]) -> Answers:
        """Keeps messages. What is None in the answer survives as the carrier promises."""

    def done(self, messages: Sequence[Message]) -> Sequence[Message]:
        """These are settled. Gives those that it does not hold."""

    def holds(self, message: Message) -> bool:
        """Whether it would bring the message again."""

    async def close(self) -> None: ...
