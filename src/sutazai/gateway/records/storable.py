"""What can be stored of texts and numbers that no text and no number of a file can hold. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import astuple


def storable(value: Any) -> Any:
    """``value``, in which each surrogate is a question mark and each number is of 64 bits."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, int):
        return max(min(value, 2**63 - 1), -(2**63))
    if isinstance(value, Struct):
        value = astuple(value)
    if isinstance(value, (tuple, list)):
        return [storable(item) for item in value]
    return value
