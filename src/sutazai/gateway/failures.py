"""Why a call failed, in a form that each dialect can tell its clients.

Everything the gateway raises is a `SutazaiError`; this is the one place where such an error becomes
what a client of an LLM reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sutazai.fleet.errors import Failed, NotFound, SutazaiError

MODEL_NOT_FOUND = "model_not_found"

_KNOWN = {"UnknownModel": MODEL_NOT_FOUND, "ContextExceeded": "context_length_exceeded"}
"""Errors that clients know by another code."""

_PLACE = ("position", "eta")
_TEXT_MAX = 300
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_OUR_BUSINESS = {401: 502, 403: 502, 407: 502}
"""A backend that refuses the gateway's key says nothing about the client's key."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client is told.

    Args:
        status: the HTTP status, where there still is one to be sent.
        message: one sentence.
        code: a stable word for programs, as ``model_not_found``.
        hint: what to do about it.
        retry_after: seconds after which it may go better.
        said: the backend's own ``error`` value, for clients that speak its dialect.
        error: which of our errors it is, so that our own clients can raise it again.
        place: where the call would stand in the queue, for who was refused.
    """

    status: int
    message: str
    code: str
    hint: str | None = None
    retry_after: int | None = None
    said: Any = None
    error: str | None = None
    place: Mapping[str, Any] = field(default_factory=dict)


class UnknownModel(NotFound):
    """No backend has a model of this name, and no tier is called so."""


class BackendFailed(Failed):
    """A backend answered with an error of its own; ``failure`` is how it is passed on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, hint=failure.hint, status=failure.status)
        self.failure = failure


def failure_of(error: SutazaiError) -> Failure:
    """How ``error`` is told to a client of an LLM."""
    if isinstance(error, BackendFailed):
        return error.failure
    return Failure(
        error.http_status,
        error.message,
        code=_KNOWN.get(error.code) or _CAPITAL.sub("_", error.code).lower(),
        hint=error.hint,
        retry_after=error.data.get("retry_after"),
        error=_common_name(error),
        place={name: error.data[name] for name in _PLACE if name in error.data},
    )


def _common_name(error: SutazaiError) -> str:
    """The nearest name that every room knows: errors of this room's own are its children."""
    kinds = (kind for kind in type(error).__mro__ if kind.__module__ == SutazaiError.__module__)
    return next(kinds).__name__


def backend_failure(status: int, body: bytes, retry_after: str | None = None) -> Failure:
    """What a backend's error answer says, in either dialect or none."""
    return _failure(_OUR_BUSINESS.get(status, status), _said(body), retry_after)


def inband_failure(said: Any) -> Failure:
    """What an error in the midst of a 200 stream says."""
    code = said.get("code") if isinstance(said, Mapping) else None
    status = code if isinstance(code, int) and 400 <= code <= 599 else 502
    return _failure(status, said, None)


def _failure(status: int, said: Any, retry_after: str | None) -> Failure:
    return Failure(
        status,
        _message(said) or "the backend failed without a word",
        code=_code(said),
        retry_after=int(retry_after) if retry_after and retry_after.isdecimal() else None,
        said=said,
    )


def _said(body: bytes) -> Any:
    text = body[:_TEXT_MAX].decode("utf-8", "replace").strip()
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict):
        return text
    return value.get("error") or value.get("detail") or value.get("message") or text


def _message(said: Any) -> str:
    value = said.get("message") if isinstance(said, Mapping) else said
    if value is None or value == "":
        return ""
    return value if isinstance(value, str) else json.dumps(value)[:_TEXT_MAX]


def _code(said: Any) -> str:
    code = said.get("code") if isinstance(said, Mapping) else None
    return code if isinstance(code, str) and code else "backend_failed"
