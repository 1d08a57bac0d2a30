"""JSON Schema of messages' bodies, checked at the speed of reading them. Pure.

A schema is turned once into a type that `msgspec` reads JSON as; what does not fit is told with its
place. So only what such a type can say may be used: `KEYWORDS`, and ``type``, which is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union

import msgspec

from sutazai.fleet.errors import BadInput

Check = Callable[[bytes], None]
"""Raises BadInput for a body that does not fit."""

_ANNOTATIONS = ("title", "description", "examples", "$schema")
_NUMBER = {
    "minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}  # fmt: skip
_LENGTH = {"minLength": "min_length", "maxLength": "max_length"}
_BOUNDS: Mapping[str, Mapping[str, str]] = {
    "string": {**_LENGTH, "pattern": "pattern"},
    "integer": _NUMBER,
    "number": _NUMBER,
    "array": {"minItems": "min_length", "maxItems": "max_length"},
    "object": {"minProperties": "min_length", "maxProperties": "max_length"},
}
_PLAIN = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_OWN = {"array": ("items",), "object": ("properties", "required", "additionalProperties")}

KEYWORDS = sorted(
    {"type", "enum", *_ANNOTATIONS}
    | {word for words in _BOUNDS.values() for word in words}
    | {word for words in _OWN.values() for word in words}
)
"""What a schema may say."""


def compile_schema(schema: Mapping[str, Any]) -> Check:
    """The check that a schema describes. Raises BadInput where it says what cannot be checked."""
    try:
        decoder = msgspec.json.Decoder(_type(schema, "the schema"))
    except (TypeError, ValueError, re.error) as cause:
        raise BadInput(f"the schema cannot be used: {cause}") from cause

    def check(body: bytes) -> None:
        try:
            decoder.decode(body)
        except msgspec.DecodeError as cause:
            raise BadInput(f"the body does not fit its type: {cause}") from cause

    return check


def _type(schema: Any, place: str) -> Any:
    if schema is True or schema == {}:
        return Any
    if not isinstance(schema, Mapping):
        raise BadInput(f"{place} is not an object")
    if "enum" in schema:
        return _enum(schema, place)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return _union(schema, kinds, place)
    if kinds not in _PLAIN and kinds not in _OWN:
        raise BadInput(f"{place} has no `type` that is known", hint="string, integer, object, …")
    _check_words(schema, [kinds], place)
    bounds = {name: schema[word] for word, name in _BOUNDS.get(kinds, {}).items() if word in schema}
    found = _shape(schema, kinds, place)
    return Annotated[found, msgspec.Meta(**bounds)] if bounds else found


def _union(schema: Mapping[str, Any], kinds: list[str], place: str) -> Any:
    _check_words(schema, kinds, place)
    apart = [{word: schema[word] for word in schema if word in _words(kind)} for kind in kinds]
    found = [_type({**one, "type": kind}, place) for one, kind in zip(apart, kinds, strict=True)]
    return Union[tuple(found)]  # noqa: UP007 (of types that are found at run time)


def _words(kind: str) -> set[str]:
    return {"type", *_ANNOTATIONS, *_BOUNDS.get(kind, ()), *_OWN.get(kind, ())}


def _check_words(schema: Mapping[str, Any], kinds: list[str], place: str) -> None:
    for word in schema:
        if not any(word in _words(kind) for kind in kinds):
            raise BadInput(f"{place}: `{word}` cannot be checked here", hint=", ".join(KEYWORDS))


def _enum(schema: Mapping[str, Any], place: str) -> Any:
    values = schema["enum"]
    if not (isinstance(values, list) and values):
        raise BadInput(f"{place}: `enum` is a list of values")
    return Literal[tuple(values)]


def _shape(schema: Mapping[str, Any], kind: str, place: str) -> Any:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "array":
        return list[_type(schema.get("items", True), f"{place}.items")]  # type: ignore[misc]
    if "properties" not in schema:
        return dict[str, _type(schema.get("additionalProperties", True), place)]  # type: ignore[misc]
    return _struct(schema, place)


def _struct(schema: Mapping[str, Any], place: str) -> Any:
    required = schema.get("required", [])
    fields: list[Any] = []
    names: dict[str, str] = {}
    for number, (name, each) in enumerate(schema["properties"].items()):
        field = f"field_{number}"  # a property may have a name that no field can have
        names[field] = name
        found = _type(each, f"{place}.{name}")
        if name in required:
            fields.append((field, found))
        else:
            fields.append((field, Union[found, msgspec.UnsetType], msgspec.UNSET))  # noqa: UP007
    if missing := set(required) - set(names.values()):
        raise BadInput(f"{place}: `required` names {min(missing)}, which is no property")
    forbid = schema.get("additionalProperties", True) is False
    return msgspec.defstruct(
        "Body", fields, rename=names.get, forbid_unknown_fields=forbid, kw_only=True
    )
