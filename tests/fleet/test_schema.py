"""Editors get a schema that agrees with the models, and people a page made from it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.profiles import profile_names
from sutazai.fleet.reference import reference
from sutazai.fleet.schema import fleet_schema
from sutazai.fleet.spec import Agent, Fleet, Service

PAGE = Path(__file__).parents[2] / "docs" / "fleet-file.md"


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _nodes(item)


def test_the_schema_says_what_it_is() -> None:
    schema = fleet_schema()

    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["$id"] == "urn:sutazai:fleet:1"
    assert schema["title"] == "SutazAI fleet file"
    assert schema["required"] == ["name"]
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize(
    ("name", "model"), [("Agent", Agent), ("Service", Service), ("Fleet", Fleet)]
)
def test_it_has_the_keys_as_a_user_writes_them(name: str, model: type[Agent]) -> None:
    schema = fleet_schema()
    properties = (schema if name == "Fleet" else schema["$defs"][name])["properties"]

    assert set(properties) == {field.alias or key for key, field in model.model_fields.items()}


def test_unknown_keys_and_unusable_names_are_refused_everywhere() -> None:
    for node in _nodes(fleet_schema()):
        if node.get("type") == "object" and ("properties" in node or "patternProperties" in node):
            assert node["additionalProperties"] is False


def test_every_key_is_described() -> None:
    schema = fleet_schema()
    models = [schema, *(model for model in schema["$defs"].values() if "properties" in model)]

    for node in (node for model in models for node in model["properties"].values()):
        assert node.get("description") or schema["$defs"][node["$ref"].split("/")[-1]].get(
            "description"
        )


def test_defaults_stand_as_one_would_write_them() -> None:
    definitions = fleet_schema()["$defs"]

    assert definitions["Health"]["properties"]["interval"]["default"] == "10s"
    assert definitions["Memory"]["properties"]["reserve"]["default"] == "512MiB"
    assert definitions["Queue"]["properties"]["wait"]["default"] == "5m"


def test_the_page_in_docs_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `make docs`"


def test_the_page_is_what_the_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "sutazai.fleet.reference"],
        check=True,
        capture_output=True,
        timeout=60,
    )

    assert printed.stdout.decode() == reference()
    assert printed.stderr == b""


def test_the_page_has_every_section_key_and_profile() -> None:
    page = reference()

    for node in fleet_schema()["$defs"].values():
        for key in node.get("properties", {}):
            assert f"| `{key}` |" in page
    for name in profile_names():
        assert f"- `{name}`: " in page
    assert "{" + "count}" not in page
