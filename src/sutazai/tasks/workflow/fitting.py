"""Holds what an agent gave to the schema of its step. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sutazai.fleet.errors import AgentFailed, BadInput
from sutazai.fleet.message_schema import compile_schema


def fitting(output: Any, schema: Mapping[str, Any] | None, *, agent: str) -> Any:
    """The output as JSON that fits; a text that is JSON stands for it. Raises AgentFailed."""
    if schema is None:
        return output
    check = compile_schema(schema)
    try:
        check(_encoded(output))
    except BadInput as error:
        if not isinstance(output, str):
            raise _mismatch(agent, output, error.message) from error
    else:
        return output
    try:
        check(output.encode(errors="replace"))
        return json.loads(output)
    except (BadInput, ValueError) as error:
        raise _mismatch(agent, output, str(error)) from error


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _mismatch(agent: str, output: Any, reason: str) -> AgentFailed:
    return AgentFailed(
        f"what {agent} gave does not fit the step's schema: {reason}",
        hint="ask for that form in `input`, or give the step `retries`",
        output=_encoded(output)[:500].decode(errors="replace"),
    )
