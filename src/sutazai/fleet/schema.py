"""The fleet file as JSON Schema, for editors and for the reference in docs."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.spec import Fleet
from sutazai.fleet.units import DURATION_PATTERN, SIZE_PATTERN, format_duration, format_size

SCHEMA_ID = "urn:sutazai:fleet:1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PRINTED = {SIZE_PATTERN: format_size, DURATION_PATTERN: format_duration}


def fleet_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the fleet file as a user writes it.

    It says what one key may hold; what spans several is found by `checks.check_fleet`.
    """
    schema = _tidied(Fleet.model_json_schema(by_alias=True))
    return {
        "$schema": DIALECT,
        "$id": SCHEMA_ID,
        **schema,
        "title": "SutazAI fleet file",
        "description": "What a fleet is made of: agents, services, models, memory and ports.",
    }


def _tidied(value: Any) -> Any:
    """Without pydantic's own titles, defaults with their units, and maps of names closed."""
    if isinstance(value, list):
        return [_tidied(item) for item in value]
    if not isinstance(value, dict):
        return value
    tidy = {
        key: _tidied(item)
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str))
    }
    return {**tidy, **_one_paragraph(tidy), **_default_as_written(tidy), **_closed(tidy)}


def _one_paragraph(node: dict[str, Any]) -> dict[str, Any]:
    """Descriptions that come from docstrings, as Markdown on one line."""
    text = node.get("description")
    return (
        {"description": " ".join(text.split()).replace("``", "`")} if isinstance(text, str) else {}
    )


def _default_as_written(node: dict[str, Any]) -> dict[str, Any]:
    default, printed = node.get("default"), _PRINTED.get(str(node.get("pattern")))
    return {"default": printed(default)} if printed and isinstance(default, (int, float)) else {}


def _closed(node: dict[str, Any]) -> dict[str, Any]:
    """Without this a name that breaks the pattern would be let through unlooked at."""
    return {"additionalProperties": False} if "patternProperties" in node else {}
