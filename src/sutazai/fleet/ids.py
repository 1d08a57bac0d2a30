"""Names and identifiers."""

from __future__ import annotations

import os
import time

NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
NAME_MAX = 48

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


def _base32(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def new_id(prefix: str) -> str:
    """A new identifier, ``PREFIX-`` and 16 characters that sort by time of making.

    Nine characters hold milliseconds since 1970, seven are random (35 bits).
    """
    return f"{prefix}-{_base32(time.time_ns() // 1_000_000, 9)}{new_tag(7)}"


def new_tag(width: int = 6) -> str:
    """A random word of ``width`` characters, five bits each."""
    return _base32(int.from_bytes(os.urandom(width), "big"), width)
