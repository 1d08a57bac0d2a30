"""Calls as they are kept: many in one row, because a row of its own costs six times as much. Pure.

Packed is MessagePack: of a call the fields of `CallRecord` in their order, and apart from them,
where contents are kept, the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from sutazai.gateway.records.call import CallRecord
from sutazai.gateway.records.storable import storable

Fields = list[Any]
"""What a `CallRecord` is made of."""

Text = bytes | str | None
Texts = tuple[int, Text, Text]
"""The place of a call in its batch, its prompt, and its answer."""

PLACE = {name: place for place, name in enumerate(CallRecord.__struct_fields__)}

_at = attrgetter("at")
_unpack_calls = msgspec.msgpack.Decoder(list[Fields]).decode
_unpack_texts = msgspec.msgpack.Decoder(list[tuple[int, str | None, str | None]]).decode


class Batch(NamedTuple):
    """Calls on their way to the file. ``oldest`` and ``newest`` say when they came."""

    length: int
    oldest: float
    newest: float
    calls: bytes
    texts: Sequence[Texts]


def batch_of(calls: Sequence[CallRecord], texts: Sequence[Texts] = ()) -> Batch:
    """``calls``, of which there is one at least, without texts of their own."""
    times = list(map(_at, calls))
    return Batch(len(calls), min(times), max(times), _packed(calls), texts)


def batch_row(batch: Batch, kept: Callable[[Text], str | None]) -> tuple[Any, ...]:
    """In the order of the table's columns. ``kept`` gives as much of a text as is kept."""
    texts = [(place, kept(prompt), kept(answer)) for place, prompt, answer in batch.texts]
    return (*batch[:-1], _packed(texts) if texts else None)


def calls_of(packed: bytes, texts: bytes | None = None) -> list[Fields]:
    """The calls of a row, in the order in which they ended."""
    calls = _unpack_calls(packed)
    for place, prompt, answer in _unpack_texts(texts) if texts else ():
        calls[place][-2:] = prompt, answer
    return calls


def packed_text(text: str) -> bytes:
    """As which ``text`` is within a batch where it is all that a field holds."""
    return _packed(text)


def _packed(value: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(value)
    except (UnicodeEncodeError, OverflowError):  # of a peer that sends what no text can hold
        return msgspec.msgpack.encode(storable(value))
