"""Takes messages in: who sends, to whom, whether that may be, and what the sender is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from sutazai.bus.bus import Bus
from sutazai.bus.message import Message, Reason
from sutazai.fleet.errors import BadInput, NotFound, Refused, SutazaiError
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.messaging import Messages
from sutazai.fleet.routes import Routes
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.messages import envelope
from sutazai.gateway.messages.envelope import Posted
from sutazai.gateway.messages.links import Links
from sutazai.gateway.messages.rules import Rules

ID_MOST = 200
"""Characters of an id or a type."""

ANSWER_WITHIN = 300.0
"""Seconds that an answer is waited for where the sender does not say it."""


class _Receipt(msgspec.Struct, omit_defaults=True):
    """What a sender is told: errors by the number of their message, and for what went to several
    agents, to whom."""

    refused: dict[int, dict[str, Any]] = {}
    reached: dict[int, list[str]] = {}


_ENCODER = msgspec.json.Encoder()
_ALL_WELL = b"{}"


class Office:
    """Takes in what agents and people send.

    Args:
        bus: gives the bus, which is another one after its broker was changed.
        clock: seconds since 1970.
    """

    def __init__(self, bus: Callable[[], Bus], clock: Callable[[], float] = time.time) -> None:
        self._bus = bus
        self._clock = clock
        self._settings = Messages()
        self._rules = Rules(self._settings)
        self._agents: frozenset[str] = frozenset()
        self._topics: Mapping[str, tuple[str, ...]] = {}
        self.links = Links({})

    def apply(self, routes: Routes) -> None:
        """The rules from now on."""
        self._settings = routes.messages
        self._rules = Rules(routes.messages)
        self._agents = frozenset(door.agent for door in routes.doors)
        self._topics = routes.topics
        self.links = Links(routes.members)

    async def send(self, caller: Caller, data: bytes) -> bytes:
        """Publishes the messages of a request; what is not refused is kept when this returns."""
        posted = envelope.read(data)
        receipt = _Receipt()
        messages: list[Message] = []
        places: list[int] = []
        for number, one in enumerate(posted):
            try:
                if one.to:
                    messages.append(self._message(caller, one, one.to, one.id))
                    places.append(number)
                else:
                    made = self._copies(caller, one)
                    messages += made
                    places += [number] * len(made)
                    receipt.reached[number] = []
            except SutazaiError as refusal:
                receipt.refused[number] = refusal.as_dict()
        answers = await self._bus().publish(messages)
        if not receipt.reached and not receipt.refused and not any(answers):
            return _ALL_WELL
        for number, message, error in zip(places, messages, answers, strict=True):
            self._tell(receipt, number, message, error)
        return _ENCODER.encode(receipt)

    async def ask(self, caller: Caller, data: bytes) -> bytes:
        """The answer to the one message of a request, as JSON.

        Raises what `Bus.ask` does, and what keeps a message from being sent.
        """
        posted = envelope.read(data)
        if len(posted) != 1 or not posted[0].to:
            raise BadInput("one agent is asked one question at a time")
        one = posted[0]
        question = self._message(caller, one, one.to, one.id, asked=True)
        return b'{"answer":%b}' % await self._bus().ask(question)

    def _copies(self, caller: Caller, posted: Posted) -> list[Message]:
        """The message for each agent that one for several goes to."""
        return [
            self._message(caller, posted, receiver, f"{posted.id}/{receiver}")
            for receiver in self._group(caller, posted)
        ]

    def _group(self, caller: Caller, posted: Posted) -> Iterator[str]:
        """The sender's team, or those who have the topic and whom the sender may write to."""
        if posted.team:
            found = self.links.team(caller.name)
        elif posted.topic:
            found = self._topics.get(posted.topic, ())
        else:
            raise BadInput("a message has `to`, `topic` or `team`")
        for name in found:
            if name != caller.name and name in self._agents and self.links.open(caller.name, name):
                yield name

    def _message(
        self, caller: Caller, posted: Posted, receiver: str, name: str, *, asked: bool = False
    ) -> Message:
        lasts = posted.lasts or (ANSWER_WITHIN if asked else self._settings.expiry)
        if not 0 < len(posted.id) <= ID_MOST or not 0 < len(posted.type) <= ID_MOST:
            raise BadInput(f"`id` and `type` have 1 to {ID_MOST} characters")
        if not lasts > 0:
            raise BadInput("a message lasts for some seconds")
        if receiver not in self._agents:
            hint = did_you_mean(receiver, sorted(self._agents)) or "see `sutazai agents list`"
            raise NotFound(f"there is no agent {receiver!r}", hint=hint)
        self.links.check(caller.name, receiver)
        body = bytes(posted.body)
        version = self._rules.version(posted.type, posted.type_version, body)
        now = self._clock()
        return Message(
            f"{caller.name}/{name}",  # nobody can take the id of another's message
            caller.name,
            receiver,
            posted.type,
            body,
            now,
            now + lasts,
            version,
            posted.topic,
            asked,
            posted.cause,
        )

    def _tell(
        self, receipt: _Receipt, number: int, message: Message, error: SutazaiError | None
    ) -> None:
        """One that could not be kept is the sender's; one of several is a dead letter."""
        if number not in receipt.reached:
            if error is not None:
                receipt.refused[number] = error.as_dict()
        elif error is None:
            receipt.reached[number].append(message.to)
        else:
            self._bus().bury(message, Reason.REFUSED, error.message)


def check_sender(caller: Caller) -> None:
    """Agents send, and people by control; a client's key opens the models only. Raises Refused."""
    if not (caller.agent or caller.admin):
        raise Refused(
            f"{caller.name} may not send messages", hint="use the key of an agent, or the token"
        )
