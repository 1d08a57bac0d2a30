"""The trace of one durable task: its waits, its attempts, and in them the calls to models. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from sutazai.fleet.traces import Fact, ModelCall, Span, SpanKind
from sutazai.fleet.work import Attempt, Task, WorkState

DONE = "done"

_OPERATIONS = {
    "completion": "text_completion",
    "embedding": "embeddings",
    "single-embedding": "embeddings",
}
"""Kinds of endpoint by OpenTelemetry's names; all others are `chat`."""


def trace_of(task: Task, calls: Iterable[ModelCall], *, note: str = "") -> Span:
    """All that is known of a task; ``note`` is said of the whole.

    A call belongs to the attempt in whose time it came, whichever agent made it.
    """
    ordered = sorted(calls, key=lambda call: call.at)
    began = [attempt.started for attempt in task.attempts]
    ends = [*began[1:], float("inf")] if began else []
    spans = [*_waits(task)]
    for attempt, end in zip(task.attempts, ends, strict=True):
        made = [call for call in ordered if attempt.started <= call.at < end]
        spans.append(_attempt(attempt, made))
    spans += [_call(call) for call in ordered if not began or call.at < began[0]]
    return Span(
        name=task.id,
        started=task.created,
        ended=task.ended,
        note="; ".join(part for part in (task.state.value, task.reason, note) if part),
        failed=task.state.is_dead,
        facts=_known(
            {
                "sutazai.task": task.id,
                "sutazai.run": task.run,
                "sutazai.step": task.step,
                "sutazai.target": task.agent or task.capability or task.group,
                "sutazai.state": task.state.value,
                "sutazai.priority": task.priority and task.priority.value,
                "error.type": (task.error or {}).get("code"),
            }
        ),
        spans=tuple(sorted(spans, key=lambda span: span.started)),
    )


def _waits(task: Task) -> Iterator[Span]:
    """The times in which nobody worked on it."""
    attempts = task.attempts
    if not attempts:
        yield _wait("waits", task.created, task.ended)
        return
    first = attempts[0]
    forgotten = "earlier attempts are forgotten" if first.number > 1 else ""
    yield _wait("waits", task.created, first.started, forgotten)
    for before, after in pairwise(attempts):
        if before.ended is not None:
            yield _wait("waits to be tried again", before.ended, after.started)
    last = attempts[-1]
    if last.ended is not None and task.state in (WorkState.PENDING, WorkState.WAITING):
        yield _wait("waits to be tried again", last.ended, None)


def _wait(name: str, started: float, ended: float | None, note: str = "") -> Span:
    return Span(name=name, kind=SpanKind.WAIT, started=started, ended=ended, note=note)


def _attempt(attempt: Attempt, calls: Sequence[ModelCall]) -> Span:
    error = attempt.error or {}
    return Span(
        name=f"attempt {attempt.number} by {attempt.instance or attempt.agent}",
        kind=SpanKind.ATTEMPT,
        started=attempt.started,
        ended=attempt.ended,
        note=str(error.get("message", "")),
        failed=bool(error),
        facts=_known(
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": attempt.agent,
                "sutazai.attempt": attempt.number,
                "sutazai.instance": attempt.instance,
                "error.type": error.get("code"),
            }
        ),
        spans=tuple(map(_call, calls)),
    )


def _call(call: ModelCall) -> Span:
    model = call.model or "a model"
    where = f" on {call.backend}" if call.backend else ""
    tokens = f"{call.prompt_tokens} + {call.completion_tokens} tokens"
    failed = call.outcome != DONE
    said = [f"{call.outcome}: {call.error}" if failed else tokens, f"cache {call.cache}"]
    return Span(
        name=f"{call.caller} asks {model}{where}",
        kind=SpanKind.CALL,
        started=call.at,
        ended=call.at + call.total,
        note=", ".join(said if call.cache else said[:1]),
        failed=failed,
        facts=_known(
            {
                "gen_ai.operation.name": _OPERATIONS.get(call.form, "chat"),
                "gen_ai.provider.name": call.backend,
                "gen_ai.agent.name": call.caller,
                "gen_ai.request.model": call.tier or call.model,
                "gen_ai.response.model": call.model,
                "gen_ai.usage.input_tokens": call.prompt_tokens,
                "gen_ai.usage.output_tokens": call.completion_tokens,
                "gen_ai.usage.cache_read.input_tokens": call.cached_tokens or None,
                "sutazai.cache": call.cache,
                "error.type": (call.error or call.outcome) if failed else None,
            }
        ),
        spans=tuple(_phases(call)),
    )


def _known(facts: Mapping[str, Fact | None]) -> dict[str, Fact]:
    """Those that are known."""
    return {name: fact for name, fact in facts.items() if fact not in (None, "")}


def _phases(call: ModelCall) -> Iterator[Span]:
    """In the queue, until the first token, and until the last."""
    at, first = call.at, call.first_token or call.total
    times = [("waits in the queue", 0.0, call.queued), ("to the first token", call.queued, first)]
    if call.first_token:
        times.append(("to the last token", first, call.total))
    for name, start, end in times:
        if end > start:
            yield Span(name=name, kind=SpanKind.PHASE, started=at + start, ended=at + end)
