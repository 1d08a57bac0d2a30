"""The body of a request to a collector, by the specification of OTLP in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sutazai.fleet.span_ids import attempt_span
from sutazai.fleet.trace_ids import trace_id
from sutazai.fleet.traces import ModelCall
from sutazai.fleet.work import Attempt, Task, WorkState
from sutazai.observe.traces.assembling import trace_of
from sutazai.observe.traces.otlp import Sender, count, request_of, root_id
from tests.observe.traces.collector import attributes, check_request, spans_of

SENDER = Sender("home", "0.1.0", "box")
ATTEMPTS = (
    Attempt(
        number=1,
        agent="planner",
        executor="x",
        instance="planner-1",
        started=102.0,
        ended=110.0,
        error={"code": "BadPeer", "message": "no answer"},
    ),
    Attempt(number=2, agent="planner", executor="x", started=112.0, ended=130.000001),
)
TASK = Task(
    id="task-1",
    agent="planner",
    run="run-1",
    state=WorkState.DONE,
    created=100.0,
    ended=131.0,
    attempts=ATTEMPTS,
)
CALL = ModelCall(
    at=115.0,
    caller="planner",
    tier="standard",
    model="tiny",
    backend="ollama",
    outcome="done",
    prompt_tokens=40,
    completion_tokens=8,
    queued=1.0,
    first_token=2.0,
    total=5.0,
)
REFUSED = CALL.model_copy(
    update={"outcome": "rejected", "error": "QueueFull", "backend": "", "model": "", "at": 116.0}
)


def sent(task: Task = TASK, *calls: ModelCall) -> dict[str, Any]:
    """The body as the collector reads it."""
    body: dict[str, Any] = json.loads(json.dumps(request_of([trace_of(task, calls)], SENDER)))
    check_request(body)
    return body


def named(body: dict[str, Any], name: str) -> dict[str, Any]:
    (span,) = (span for _, span in spans_of(body) if span["name"] == name)
    return span


def lineage(body: dict[str, Any], span: dict[str, Any]) -> Iterator[str]:
    """The names of all that it lies in, the innermost first."""
    by_id = {each["spanId"]: each for _, each in spans_of(body)}
    while (parent := span.get("parentSpanId")) is not None:
        span = by_id[parent]
        yield span["name"]


def test_a_task_is_one_trace_from_the_client_to_the_model() -> None:
    body = sent(TASK, CALL)

    assert {span["traceId"] for _, span in spans_of(body)} == {trace_id("task-1")}
    assert [*lineage(body, named(body, "waits in the queue"))] == [
        "chat standard",
        "invoke_agent planner",
        "task planner",
    ]
    assert len([*spans_of(body)]) == count(trace_of(TASK, [CALL]))
    assert len({span["spanId"] for _, span in spans_of(body)}) == len([*spans_of(body)])


def test_each_process_is_a_service_of_the_fleet() -> None:
    by_service = {
        (about["service.namespace"], about["service.name"], span["name"])
        for about, span in spans_of(sent(TASK, CALL))
    }

    assert {("home", "control", "waits"), ("home", "planner", "invoke_agent planner")} < by_service
    assert ("home", "gateway", "waits in the queue") in by_service


def test_times_are_nanoseconds_in_texts() -> None:
    body = sent(TASK, CALL)

    root, queue = named(body, "task planner"), named(body, "waits in the queue")
    assert (root["startTimeUnixNano"], root["endTimeUnixNano"]) == ("100000000000", "131000000000")
    assert (queue["startTimeUnixNano"], queue["endTimeUnixNano"]) == (
        "115000000000",
        "116000000000",
    )


def test_kinds_and_failures_are_numbers() -> None:
    body = sent(TASK, CALL)

    tries = [span for _, span in spans_of(body) if span["name"] == "invoke_agent planner"]
    assert [span["status"] for span in tries] == [{"code": 2, "message": "no answer"}, {}]
    assert {span["kind"] for span in tries} == {5}
    assert named(body, "task planner")["kind"] == 4
    assert named(body, "chat standard")["kind"] == 3
    assert named(body, "waits")["kind"] == 1


def test_attributes_have_the_names_of_the_conventions() -> None:
    body = sent(TASK, CALL)

    assert attributes(named(body, "chat standard")["attributes"]) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ollama",
        "gen_ai.agent.name": "planner",
        "gen_ai.request.model": "standard",
        "gen_ai.response.model": "tiny",
        "gen_ai.usage.input_tokens": 40,
        "gen_ai.usage.output_tokens": 8,
    }
    assert attributes(named(body, "task planner")["attributes"]) == {
        "sutazai.task": "task-1",
        "sutazai.run": "run-1",
        "sutazai.target": "planner",
        "sutazai.state": "done",
    }
    first = next(span for _, span in spans_of(body) if span["name"] == "invoke_agent planner")
    assert attributes(first["attributes"])["error.type"] == "BadPeer"


def test_a_call_that_was_refused_says_so() -> None:
    body = sent(TASK, REFUSED)

    call = named(body, "chat standard")
    assert call["status"]["code"] == 2
    assert attributes(call["attributes"])["error.type"] == "QueueFull"


def test_ids_are_the_same_whenever_they_are_made() -> None:
    body = sent(TASK, CALL)

    assert body == sent(TASK, CALL)
    assert named(body, "task planner")["spanId"] == root_id("task-1")
    tries = [span for _, span in spans_of(body) if span["name"] == "invoke_agent planner"]
    assert [span["spanId"] for span in tries] == [
        attempt_span("task-1", 1),
        attempt_span("task-1", 2),
    ]


def test_nothing_ends_before_it_began() -> None:
    """Clocks of two processes may differ by a moment."""
    odd = TASK.model_copy(update={"ended": 99.9, "attempts": ()})

    root = named(sent(odd), "task planner")
    assert root["startTimeUnixNano"] == root["endTimeUnixNano"]
