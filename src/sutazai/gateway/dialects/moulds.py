"""Frames that are alike but for their words: one is parsed, the others are recognized."""

from __future__ import annotations

import re

import msgspec

# A backslash could hide another such key.
_TEXT = re.compile(rb'"(?:content|text)"\s*:\s*"([^"\\]*)"')

_read_text = msgspec.json.Decoder(str).decode


class Mould:
    """What stands around the text in the frames of one stream.

    A backend sends the same frame again and again with other words in it. Where a frame begins and
    ends as one that was understood, and has one JSON string in between, then that string is all
    that it says.
    """

    __slots__ = ("_from", "_head", "_tail", "_to")

    def __init__(self) -> None:
        self.forget()

    def text(self, frame: bytes) -> str:
        """The text of a frame that fits; none where it does not."""
        if not (frame.startswith(self._head) and frame.endswith(self._tail)):
            return ""
        try:
            return _read_text(frame[self._from : self._to])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""

    def take(self, frame: bytes) -> None:
        """Fit what is like ``frame``, where it is clear which of its strings is the text.

        But for its text the frame must say nothing, so that it may as well be heard again.
        """
        found = list(_TEXT.finditer(frame))
        if len(found) != 1 or b"\\" in frame:
            self.forget()
        else:
            start, end = found[0].span(1)
            self._fit(frame[:start], frame[end:])

    def forget(self) -> None:
        """Fit nothing."""
        self._fit(b"\0", b"\0")

    def _fit(self, head: bytes, tail: bytes) -> None:
        """``head`` and ``tail`` have the text's quotes."""
        self._head, self._tail = head, tail
        self._from, self._to = len(head) - 1, 1 - len(tail)
