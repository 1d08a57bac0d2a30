"""Names and identifiers."""

from __future__ import annotations

import os
import time
from functools import lru_cache

NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
NAME_MAX = 48

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_DIGITS = bytes(ord(_ALPHABET[byte % 32]) for byte in range(256))
"""A digit for each byte."""


def _base32(number: int, width: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * width - 5, -1, -5))


@lru_cache(maxsize=1)
def _moment(milliseconds: int) -> str:
    """Often asked for more than once in one of them."""
    return _base32(milliseconds, 9)


def new_id(prefix: str) -> str:
    """A new identifier, ``PREFIX-`` and 16 characters that sort by time of making.

    Nine characters hold milliseconds since 1970, seven are random (35 bits).
    """
    return f"{prefix}-{_moment(time.time_ns() // 1_000_000)}{new_tag(7)}"


def new_tag(width: int = 6) -> str:
    """A random word of ``width`` characters, five bits each."""
    return os.urandom(width).translate(_DIGITS).decode()
