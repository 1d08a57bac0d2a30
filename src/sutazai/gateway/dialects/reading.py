"""JSON as clients and backends send it."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode


def read_json(data: bytes) -> Any:
    """What ``data`` says. Raises ValueError or RecursionError.

    What msgspec refuses the standard library reads, or says what is wrong with it: numbers that are
    none (NaN), halves of surrogate pairs, UTF-16.
    """
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(data)
