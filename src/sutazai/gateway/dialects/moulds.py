"""Frames that are alike but for their words: one is understood, the others are recognized."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

# A backslash could hide another such key.
_TEXT = re.compile(rb'"(?:content|text|response)"\s*:\s*("[^"\\]*")')
_TIME = re.compile(rb'"created_at"\s*:\s*"([^"\\]*)"')

read_text = msgspec.json.Decoder(str).decode
"""The text that is all of a piece of JSON. Raises NO_TEXT."""

NO_TEXT = (msgspec.DecodeError, UnicodeDecodeError)


class Mould(NamedTuple):
    """What stands around the text in the frames of one stream.

    A backend sends the same frame again and again with other words in it. Where a frame begins and
    ends as one that was understood, and has one JSON string in between, then that string is all
    that it says.

    Attributes:
        head, tail: what stands before and after the text, without its quotes.
        time: what stands between a time and the text, where frames tell their time; ``head`` is
            then what stands before that, and the time ends with the first quote.
    """

    head: bytes
    tail: bytes
    time: bytes = b""


def mould_of(frame: bytes) -> Mould | None:
    """Of a frame that has a text and says nothing else, where it is clear which string that is."""
    found = list(_TEXT.finditer(frame))
    if len(found) != 1 or b"\\" in frame:
        return None
    start, end = found[0].span(1)
    told = _TIME.search(frame, 0, start)
    if told is None:
        return Mould(frame[:start], frame[end:])
    return Mould(frame[: told.start(1)], frame[end:], frame[told.end(1) : start])


def text_of(frame: bytes) -> str | None:
    """The text by which `mould_of` takes ``frame``."""
    found = _TEXT.search(frame)
    try:
        return None if found is None else read_text(found[1])
    except NO_TEXT:
        return None
