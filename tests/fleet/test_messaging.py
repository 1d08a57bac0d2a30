"""Messages in the fleet file: types with schemas and versions, and the broker."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sutazai.fleet.errors import BadInput
from sutazai.fleet.message_schema import compile_schema
from sutazai.fleet.messaging import Broker, BusSpec, MessageType

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[a-z]+$"},
        "from": {"type": ["integer", "null"], "minimum": 2},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
        "more": {"type": "object", "additionalProperties": {"type": "number"}},
    },
    "required": ["title"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "body",
    [
        b'{"title": "abc"}',
        b'{"title": "a", "from": 2, "tags": ["a", "b"], "more": {"x": 1.5}}',
        b'{"title": "a", "from": null}',
    ],
)
def test_bodies_that_fit(body: bytes) -> None:
    compile_schema(ORDER)(body)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"title": "abcdef"}', "title"),
        (b'{"title": "A"}', "title"),
        (b"{}", "title"),
        (b'{"title": "a", "from": 1}', "from"),
        (b'{"title": "a", "tags": ["c"]}', "tags"),
        (b'{"title": "a", "tags": ["a", "a", "a"]}', "tags"),
        (b'{"title": "a", "more": {"x": "y"}}', "more"),
        (b'{"title": "a", "other": 1}', "other"),
        (b'{"title": 1', "title"),
    ],
)
def test_bodies_that_do_not_fit_are_told_with_their_place(body: bytes, place: str) -> None:
    with pytest.raises(BadInput, match=place):
        compile_schema(ORDER)(body)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "oneOf": []},
        {"type": "text"},
        {"properties": {}},
        {"type": "object", "properties": {"a": {"type": "string", "format": "date"}}},
        {"type": "object", "properties": {}, "required": ["a"]},
        {"type": "string", "pattern": "("},
        {"enum": []},
    ],
)
def test_what_cannot_be_checked_is_refused_in_the_fleet_file(schema: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MessageType.model_validate({"schema": schema})


def test_the_last_three_versions_are_spoken() -> None:
    kind = MessageType.model_validate({"version": 5, "earlier": {4: {"type": "string"}}})
    assert list(kind.spoken) == [3, 4, 5]
    assert list(MessageType().spoken) == [1]
    for earlier in (2, 5, 6):
        with pytest.raises(ValidationError, match="last 3"):
            MessageType.model_validate({"version": 5, "earlier": {earlier: {"type": "string"}}})


def test_a_broker_of_its_own_has_an_address_and_the_embedded_one_has_none() -> None:
    assert BusSpec().broker is Broker.EMBEDDED
    for wrong in (
        {"broker": "nats"},
        {"url": "nats://127.0.0.1"},
        {"replicas": 3},
        {"broker": "kafka", "url": "x"},
    ):
        with pytest.raises(ValidationError):
            BusSpec.model_validate(wrong)
