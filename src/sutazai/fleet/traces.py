"""What became of one piece of work, by time: the shapes of a trace."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sutazai.fleet.shapes import Shape

Fact = str | int | float


class SpanKind(StrEnum):
    """What a span tells of."""

    TASK = "task"  # the whole
    WAIT = "wait"  # nobody worked on it
    ATTEMPT = "attempt"  # an agent did
    CALL = "call"  # to a model
    PHASE = "phase"  # a part of a call


class Span(Shape):
    """Something that took time; what is in it lies within it. Times are seconds since 1970, and
    ``ended`` is None while it goes on. ``facts`` are what is known of it, by OpenTelemetry's names
    of attributes where it has any."""

    name: str
    kind: SpanKind = SpanKind.TASK
    started: float
    ended: float | None = None
    note: str = ""
    failed: bool = False
    facts: Mapping[str, Fact] = {}
    spans: tuple[Span, ...] = ()


class ModelCall(Shape):
    """What a trace takes of the gateway's record of a call: ``form`` is the kind of endpoint,
    ``tier`` what was asked for, empty where a model was asked for by its name. ``queued``,
    ``first_token`` (0 where there was none) and ``total`` are seconds from ``at``, when it came.
    """

    at: float
    caller: str
    form: str = "chat"
    tier: str = ""
    model: str
    backend: str
    outcome: str
    error: str = ""
    cache: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    queued: float
    first_token: float
    total: float
