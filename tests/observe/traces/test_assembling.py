"""Where a task's time went, from what is recorded of it."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.traces import ModelCall, Span
from sutazai.fleet.work import Attempt, Task, WorkState
from sutazai.observe.traces.assembling import trace_of


def task(*attempts: Attempt, state: WorkState = WorkState.DONE, **keys: Any) -> Task:
    values = {"id": "t", "agent": "planner", "created": 100.0, "ended": 130.0, **keys}
    return Task(state=state, attempts=attempts, **values)


def attempt(number: int, started: float, ended: float | None, error: str = "") -> Attempt:
    return Attempt(
        number=number,
        agent="planner",
        executor="x",
        started=started,
        ended=ended,
        error={"message": error} if error else None,
    )


def call(at: float, **keys: Any) -> ModelCall:
    values = {
        "caller": "planner",
        "model": "tiny",
        "backend": "ollama",
        "outcome": "done",
        "prompt_tokens": 40,
        "completion_tokens": 8,
        "queued": 1.0,
        "first_token": 2.0,
        "total": 5.0,
    }
    return ModelCall(at=at, **{**values, **keys})


def lines(span: Span, depth: int = 0) -> list[str]:
    """``INDENT NAME AFTER+TOOK``, from the beginning of the task."""
    took = "…" if span.ended is None else f"{span.ended - span.started:g}"
    own = f"{'.' * depth}{span.name} {span.started - 100:g}+{took}"
    return [own, *(line for each in span.spans for line in lines(each, depth + 1))]


def test_waits_attempts_and_calls_lie_in_each_other() -> None:
    tried = attempt(1, 102.0, 110.0, "no answer"), attempt(2, 112.0, 130.0)

    trace = trace_of(task(*tried), [call(115.0), call(103.0, outcome="failed", error="refused")])

    assert lines(trace) == [
        "t 0+30",
        ".waits 0+2",
        ".attempt 1 by planner 2+8",
        "..planner asks tiny on ollama 3+5",
        "...waits in the queue 3+1",
        "...to the first token 4+1",
        "...to the last token 5+3",
        ".waits to be tried again 10+2",
        ".attempt 2 by planner 12+18",
        "..planner asks tiny on ollama 15+5",
        "...waits in the queue 15+1",
        "...to the first token 16+1",
        "...to the last token 17+3",
    ]
    first, second = trace.spans[1], trace.spans[3]
    assert (first.failed, first.note) == (True, "no answer")
    assert (first.spans[0].failed, first.spans[0].note) == (True, "failed: refused")
    assert (second.failed, second.spans[0].note) == (False, "40 + 8 tokens")


def test_a_task_that_nobody_took_only_waits() -> None:
    waiting = task(state=WorkState.PENDING, ended=None, reason="planner is paused")

    trace = trace_of(waiting, [])

    assert lines(trace) == ["t 0+…", ".waits 0+…"]
    assert trace.note == "pending; planner is paused"


def test_one_that_is_to_be_tried_again_waits_since_its_last_attempt() -> None:
    trace = trace_of(
        task(attempt(7, 120.0, 125.0, "x"), state=WorkState.PENDING, ended=None), [], note="odd"
    )

    assert lines(trace)[1:] == [
        ".waits 0+20",
        ".attempt 7 by planner 20+5",
        ".waits to be tried again 25+…",
    ]
    assert trace.spans[0].note == "earlier attempts are forgotten"
    assert trace.note == "pending; odd"


def test_a_call_that_came_to_no_answer_has_no_last_token() -> None:
    lost = call(103.0, outcome="rejected", error="queue-full", backend="", model="")
    lost = lost.model_copy(update={"queued": 0.0, "first_token": 0.0, "total": 0.5})

    trace = trace_of(task(attempt(1, 102.0, 110.0)), [lost])

    assert lines(trace)[3:] == ["..planner asks a model 3+0.5", "...to the first token 3+0.5"]


def test_what_a_cache_answered_is_said() -> None:
    trace = trace_of(task(attempt(1, 102.0, 110.0)), [call(103.0, cache="hit")])

    assert trace.spans[1].spans[0].note == "40 + 8 tokens, cache hit"
