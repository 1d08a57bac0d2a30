"""A dead letter: a call that was refused or waited too long, kept so that it can be made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sutazai.gateway.records.redaction import redact_body

HEAD = "id, at, caller, task, model, path, content_type, priority, reason, altered, size"
"""Columns of a letter without its body, which is the last."""

_COLUMNS = (*HEAD.split(", "), "body")

BODY_MAX = 1024**2
"""Bytes of the largest body that is kept; a call with a larger one leaves no dead letter. To look
through this much for secrets keeps the event loop waiting for some 20 ms."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A call that came to nothing, as far as it is needed to make it again.

    Args:
        id: the call's.
        at: when it came, in seconds since 1970.
        model, task: what it asked for, and what for; empty where it did not say.
        path: the endpoint's, without a key and without a query.
        reason: the error, as `SutazaiError.as_dict` gives it.
        body: the request's. Empty in lists, where ``size`` says how many bytes it has.
        altered: secrets were taken out of the body.
    """

    id: str
    at: float
    caller: str
    task: str
    model: str
    path: str
    content_type: str
    priority: str
    reason: Mapping[str, Any]
    body: bytes = field(default=b"", repr=False)
    altered: bool = False
    size: int = 0


def kept_letter(letter: DeadLetter) -> DeadLetter:
    """``letter`` as it is kept: without secrets."""
    body, altered = redact_body(letter.body)
    return replace(letter, body=body, altered=altered, size=len(body))


def letter_row(letter: DeadLetter) -> tuple[Any, ...]:
    """``letter`` in the order of the table's columns."""
    reason, _ = redact_body(json.dumps(letter.reason, default=str).encode())
    return (
        *(letter.id, letter.at, letter.caller, letter.task, letter.model, letter.path),
        *(letter.content_type, letter.priority, reason.decode(), int(letter.altered)),
        *(letter.size, letter.body),
    )


def letter_of(row: tuple[Any, ...]) -> DeadLetter:
    """The letter whose row this is; a row of `HEAD` alone has no body."""
    values = dict(zip(_COLUMNS, row, strict=False))
    values["reason"] = json.loads(values["reason"])
    values["altered"] = bool(values["altered"])
    return DeadLetter(**values)
