"""The protocol of messages, in the three versions that are spoken. Pure.

Version 3 is today's. Whatever comes in is made into `Posted`, whatever goes out is written in the
version that the other side speaks, so nothing else in the house knows of versions.

| version | sent | delivered |
|---|---|---|
| 3 | ``{"version": 3, "messages": [{"id", "to" or "topic" or "team", "type", "body", …}]}`` | \
``{"version": 3, "handling", "messages": [{"id", "from", "type", "body", …}]}`` |
| 2 | ``{"version": 2, "messages": [{"id", "recipient", "type", "payload", "ttl"?}]}`` | \
``{"version": 2, "messages": [{"id", "sender", "type", "payload", …}]}`` |
| 1 | ``{"version": 1, "id", "recipient", "message_type", "content"}``, one message | \
``{"version": 1, "id", "sender", "message_type", "content"}``, one message |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sutazai.bus.message import Message
from sutazai.fleet.errors import BadInput
from sutazai.fleet.messaging import VERSIONS

VERSION = 3
SPOKEN = tuple(range(VERSION - VERSIONS + 1, VERSION + 1))
MESSAGES_MOST = 1000
"""Messages in one request."""

_NULL = msgspec.Raw(b"null")


class Posted(msgspec.Struct, gc=False):
    """A message as its sender wrote it.

    It goes to the agent ``to``, or to all who have ``topic``, or to the sender's ``team``.
    ``lasts`` is how many seconds it is tried to be delivered, or how long an answer is waited for;
    ``cause`` is the message that its sender was handling.
    """

    id: str
    type: str
    body: msgspec.Raw = _NULL
    to: str = ""
    topic: str = ""
    team: bool = False
    type_version: int | None = None
    lasts: float | None = None
    cause: str = ""


class _Version(msgspec.Struct):
    version: int | None = None


class _Sent3(msgspec.Struct):
    messages: list[Posted]


class _Message2(msgspec.Struct):
    id: str
    recipient: str
    type: str
    payload: msgspec.Raw = _NULL
    ttl: float | None = None


class _Sent2(msgspec.Struct):
    messages: list[_Message2]


class _Sent1(msgspec.Struct):
    id: str
    recipient: str
    message_type: str
    content: msgspec.Raw = _NULL


class _Out3(msgspec.Struct, omit_defaults=True, gc=False):
    id: str
    from_: str = msgspec.field(name="from")
    type: str
    body: msgspec.Raw
    type_version: int = 1
    topic: str = ""
    asked: bool = False
    lasts: float | None = None


class _Delivered3(msgspec.Struct):
    version: int
    handling: float
    messages: list[_Out3]


class _Out2(msgspec.Struct):
    id: str
    sender: str
    type: str
    payload: msgspec.Raw
    asked: bool


class _Delivered2(msgspec.Struct):
    version: int
    messages: list[_Out2]


class _Delivered1(msgspec.Struct):
    version: int
    id: str
    sender: str
    message_type: str
    content: msgspec.Raw
    asked: bool


_ENCODER = msgspec.json.Encoder()
_VERSION = msgspec.json.Decoder(_Version)
_SENT3 = msgspec.json.Decoder(_Sent3)
_SENT2 = msgspec.json.Decoder(_Sent2)
_SENT1 = msgspec.json.Decoder(_Sent1)
_HEAD3 = b'{"version":3,'
"""How our own SDK begins, which need not be read twice."""


def read(data: bytes) -> list[Posted]:
    """The messages of a request, in any version that is spoken. Raises BadInput."""
    try:
        if data.startswith(_HEAD3):
            found = _SENT3.decode(data).messages
        else:
            found = _read(_VERSION.decode(data).version, data)
    except msgspec.MsgspecError as cause:
        raise BadInput(f"the messages cannot be read: {cause}") from cause
    if len(found) > MESSAGES_MOST:
        raise BadInput(f"{len(found)} messages at once, and {MESSAGES_MOST} are allowed")
    return found


def _read(version: int | None, data: bytes) -> list[Posted]:
    if version == 3:
        return _SENT3.decode(data).messages
    if version == 2:
        return [
            Posted(one.id, one.type, one.payload, to=one.recipient, lasts=one.ttl)
            for one in _SENT2.decode(data).messages
        ]
    if version == 1:
        one = _SENT1.decode(data)
        return [Posted(one.id, one.message_type, one.content, to=one.recipient)]
    known = ", ".join(map(str, SPOKEN))
    said = "says no version" if version is None else f"has version {version}"
    raise BadInput(
        f"the request {said} of the protocol", hint=f"spoken are: {known}", spoken=list(SPOKEN)
    )


def batches(messages: Sequence[Message], version: int) -> list[Sequence[Message]]:
    """The requests that messages are delivered in: version 1 has one message in each."""
    return [[message] for message in messages] if version == 1 else [messages]


def write(messages: Sequence[Message], version: int, *, handling: float, now: float) -> bytes:
    """A delivery. ``handling`` is how many seconds an agent has for each message."""
    delivered: Any
    if version == 3:
        delivered = _Delivered3(3, handling, [_out(message, now) for message in messages])
    elif version == 2:
        delivered = _Delivered2(2, [_older(message) for message in messages])
    else:
        one = messages[0]
        delivered = _Delivered1(
            1, one.id, one.sender, one.type, msgspec.Raw(one.body), asked=one.asked
        )
    return _ENCODER.encode(delivered)


def _out(message: Message, now: float) -> _Out3:
    return _Out3(
        message.id,
        message.sender,
        message.type,
        msgspec.Raw(message.body),
        message.version,
        message.topic,
        message.asked,
        message.expires - now if message.asked else None,
    )


def _older(message: Message) -> _Out2:
    return _Out2(message.id, message.sender, message.type, msgspec.Raw(message.body), message.asked)
