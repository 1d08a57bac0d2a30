"""The ids of the spans of tasks' traces, and what agents are told of theirs. Pure."""

from __future__ import annotations

from hashlib import blake2b

from sutazai.fleet.trace_ids import trace_id


def span_id(*parts: object) -> str:
    """The span that ``parts`` name together: 16 hexadecimal digits."""
    return blake2b("\0".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def attempt_span(task: str, number: int) -> str:
    """The span of one attempt at a task: what an agent's own spans lie in."""
    return span_id(task, "attempt", number)


def is_chosen(trace: str, share: float) -> bool:
    """Whether a trace is among the share that is sent: by its id, so everybody decides alike."""
    return int(trace[-14:], 16) < share * 2**56


def traceparent(task: str, attempt: int, share: float) -> str:
    """What whoever makes an attempt is told by the header, where a share of traces is sent."""
    trace = trace_id(task)
    return f"00-{trace}-{attempt_span(task, attempt)}-{is_chosen(trace, share):02d}"
