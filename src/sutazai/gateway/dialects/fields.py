"""Reading loose JSON with exact complaints: whatever a client sent, it gets a sentence back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import isfinite
from typing import Any, TypeVar

from sutazai.fleet.errors import BadInput
from sutazai.gateway.dialects.neutral import JsonObject, Sampling

T = TypeVar("T")

_INTEGERS = frozenset({"max_tokens", "top_k", "seed"})


def read_object(value: Any, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise BadInput(f"{what} must be an object")
    return value


def read_objects(value: Any, what: str) -> tuple[JsonObject, ...]:
    """A list of objects; nothing counts as an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadInput(f"{what} must be a list")
    return tuple(read_object(item, f"{what}[{index}]") for index, item in enumerate(value))


def read_text(value: Any, what: str) -> str:
    """A text; nothing counts as an empty one."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadInput(f"{what} must be a text")
    return value


def read_texts(value: Any, what: str) -> tuple[str, ...]:
    """A text or a list of texts."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadInput(f"{what} must be a text or a list of texts")
    return tuple(value)


def read_flag(value: Any, what: str, *, default: bool) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadInput(f"{what} must be true or false")
    return value


def read_count(value: Any, what: str) -> int:
    """A whole number that is not negative; true counts as nought, a mere yes."""
    if value is True:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadInput(f"{what} must be a whole number, at least 0")
    return value


def read_sampling(values: JsonObject, renamed: Mapping[str, Sequence[str]]) -> Sampling:
    """The fields of `Sampling` out of ``values``; ``renamed`` gives the names that differ."""
    found: dict[str, Any] = {}
    for field in fields(Sampling):
        for name in renamed.get(field.name, (field.name,)):
            if values.get(name) is not None:
                found[field.name] = _sampled(field.name, name, values[name])
                break
    return Sampling(**found)


def write_sampling(sampling: Sampling, renamed: Mapping[str, str]) -> dict[str, Any]:
    """The fields of ``sampling`` that are set, under the names of a dialect."""
    values: dict[str, Any] = {}
    for field in fields(Sampling):
        value = getattr(sampling, field.name)
        if value is not None:
            name = renamed.get(field.name, field.name)
            values[name] = list(value) if isinstance(value, tuple) else value
    return values


def _sampled(field: str, name: str, value: Any) -> Any:
    if field == "stop":
        return read_texts(value, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{name} must be a number")
    if isinstance(value, float) and not isfinite(value):  # JSON of some has Infinity, and 1e999
        raise BadInput(f"{name} must be a finite number")
    return int(value) if field in _INTEGERS else value


def read_arguments(text: str, tool: str) -> JsonObject:
    """The arguments of a tool call as an object. Raises BadInput."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError) as cause:
        raise BadInput(f"the arguments of the call of {tool!r} are not JSON: {cause}") from cause
    return read_object(value, f"the arguments of the call of {tool!r}")
