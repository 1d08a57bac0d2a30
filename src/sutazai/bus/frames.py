"""The form of the log: what is written, in frames that tell whether they are whole. Pure.

A file begins with `MAGIC`. Each frame is one write: length and CRC-32 of its content (four bytes
each, little endian), then records in msgpack. A frame counts as a whole or not at all, so nothing
of a write that was cut is taken for acknowledged.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from sutazai.bus.message import Letter, Message

MAGIC = b"sutazai messages 1\n"
_HEAD = struct.Struct("<II")


class Put(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """A message was accepted."""

    message: Message


class Done(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Messages were settled."""

    ids: list[str]


class Buried(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A message was given up."""

    letter: Letter


class Dug(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Dead letters are no more: delivered again, dropped, or too old."""

    ids: list[str]


class Seen(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Ids of messages that are not to be accepted again."""

    ids: list[str]


Record = Put | Done | Buried | Dug | Seen

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Record])


@dataclass(frozen=True)
class Frame:
    """A whole frame that was found, and where it ends in the file."""

    records: list[Record]
    end: int


def frame(records: Sequence[Record]) -> bytes:
    """One frame, ready to be written."""
    content = _ENCODER.encode(records)
    return _HEAD.pack(len(content), zlib.crc32(content)) + content


def scan(data: memoryview) -> Iterator[Frame]:
    """The frames of a file, up to the first that is not whole. Nothing where it is no log."""
    if data[: len(MAGIC)] != MAGIC:
        return
    at = len(MAGIC)
    while at + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, at)
        content = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(content) != length or zlib.crc32(content) != checksum:
            return
        try:
            records = _DECODER.decode(content)
        except msgspec.MsgspecError:
            return
        at += _HEAD.size + length
        yield Frame(records, at)
