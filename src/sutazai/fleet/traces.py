"""What became of one piece of work, by time: the shapes of a trace."""

from __future__ import annotations

from sutazai.fleet.shapes import Shape


class Span(Shape):
    """Something that took time; what is in it lies within it. Times are seconds since 1970, and
    ``ended`` is None while it goes on."""

    name: str
    started: float
    ended: float | None = None
    note: str = ""
    failed: bool = False
    spans: tuple[Span, ...] = ()


class ModelCall(Shape):
    """What a trace takes of the gateway's record of a call: ``queued``, ``first_token`` (0 where
    there was none) and ``total`` are seconds from ``at``, when it came."""

    at: float
    caller: str
    model: str
    backend: str
    outcome: str
    error: str = ""
    cache: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    queued: float
    first_token: float
    total: float
