"""JSON as clients and backends send it."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from sutazai.fleet.errors import BadPeer

_decode = msgspec.json.Decoder().decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class NoObject(ValueError):
    """It is JSON, but no object."""


def read_object(data: bytes) -> dict[str, Any]:
    """The object that ``data`` is. Raises NoObject, or as `read_json`."""
    try:
        return _decode_object(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = read_json(data)
    if not isinstance(value, dict):
        raise NoObject
    return value


def read_answer(data: bytes) -> dict[str, Any]:
    """The object that a backend's whole answer is. Raises BadPeer."""
    try:
        return read_object(data)
    except (ValueError, RecursionError) as cause:
        raise BadPeer("the backend's answer is not a JSON object") from cause


def read_json(data: bytes) -> Any:
    """What ``data`` says. Raises ValueError or RecursionError.

    What msgspec refuses the standard library reads, or says what is wrong with it: numbers that are
    none (NaN), halves of surrogate pairs, UTF-16.
    """
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(data)
