"""What lines of logs say of themselves, in both forms."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.log_lines import Said, as_object, object_in, said_in
from sutazai.fleet.trace_ids import trace_id

TRACE = trace_id("task-1")
LABELS = st.from_regex(r"[!-~]([ -~]{0,30}[!-~])?", fullmatch=True)


def test_a_line_of_an_agent() -> None:
    text = f"WARNING a: b [c] [task=task-1 run=r trace={TRACE}]"

    assert said_in(text) == Said("a: b [c]", "WARNING", task="task-1", run="r", trace=TRACE)


def test_a_line_of_the_house_names_its_logger() -> None:
    assert said_in("INFO sutazai.control: ready") == Said("ready", "INFO", "sutazai.control")


def test_any_other_line_is_its_text() -> None:
    for text in ("", "INFORMATION for all", "{not json", '{"a": 1}', '{"time": 1, "message": ""}'):
        assert said_in(text) == Said(text)


@given(LABELS, LABELS | st.just(""), st.text().filter(lambda text: "[task=" not in text))
def test_ids_are_read_as_they_were_written(task: str, run: str, message: str) -> None:
    if " run=" in task or " trace=" in task + run:
        return  # names that nobody gives
    shown = f"task={task} run={run}" if run else f"task={task}"
    said = said_in(f"INFO {message} [{shown} trace={TRACE}]")

    assert (said.task, said.run, said.trace) == (task, run, TRACE)


def test_a_line_is_made_into_an_object() -> None:
    text = f"INFO reads [task=task-1 trace={TRACE}]"

    made = json.loads(as_object(text, time="2026-01-02T03:04:05Z", instance="planner-1"))

    assert made == {
        "time": "2026-01-02T03:04:05Z",
        "message": "reads",
        "level": "INFO",
        "task": "task-1",
        "trace": TRACE,
        "instance": "planner-1",
    }


def test_an_object_keeps_its_time_and_cannot_name_another_instance() -> None:
    line = '{"time": "2026-01-02T03:04:05.678Z", "message": "x", "instance": "another-1"}'

    kept = object_in(as_object(line, time="later", instance="planner-1"))

    assert kept == {
        "time": "2026-01-02T03:04:05.678Z",
        "message": "x",
        "instance": "planner-1",
    }


@given(st.text())
def test_every_line_becomes_one_object(text: str) -> None:
    line = as_object(text, time="2026-01-02T03:04:05Z", instance="a-1")

    assert "\n" not in line and object_in(line) is not None
