"""What messages are made of."""

from __future__ import annotations

import msgspec


class Opaque(msgspec.Struct, eq=False):
    """A structure that does not print what it holds: it may be secret, and what is printed ends in
    logs. Two are equal where they are one."""

    __repr__ = object.__repr__
