"""`sutazai tasks` and `sutazai dead`: what is asked of control, and what a person sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.errors import NotFound
from sutazai.fleet.places import Places
from sutazai.fleet.work import Attempt, Task, WorkState
from tests.cli.conftest import CommandLine
from tests.cli.examples import NOW
from tests.cli.fake_control import FakeControl


def task(state: WorkState, **more: Any) -> dict[str, Any]:
    given = {"id": "task-1", "agent": "helper", "input": "x", "state": state, "created": NOW}
    return Task.model_validate({**given, **more}).model_dump(mode="json")


FAILED = task(
    WorkState.FAILED,
    reason="it cannot",
    started=NOW,
    ended=NOW + 2,
    attempt=1,
    attempts=[
        Attempt(
            number=1,
            agent="helper",
            executor="control-x",
            instance="helper.0",
            started=NOW,
            ended=NOW + 2,
            error={"code": "AgentFailed", "message": "it cannot"},
        )
    ],
    error={"code": "AgentFailed", "message": "it cannot", "data": {"lines": ["last words"]}},
)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("helper", "do it"), {"agent": "helper", "input": "do it", "ttl": 300.0}),
        (
            ("--capability", "translate", '{"q": 1}', "--ttl", "none", "--priority", "high"),
            {"capability": "translate", "input": {"q": 1}, "ttl": None, "priority": "high"},
        ),
        (
            ("helper", "--file", "run-1/plan.md", "--delay", "2m", "--after", "task-0"),
            {
                "agent": "helper",
                "file": "run-1/plan.md",
                "delay": 120.0,
                "depends_on": ["task-0"],
                "ttl": 300.0,
            },
        ),
    ],
)
def test_work_is_given_as_it_was_said(
    sutazai: CommandLine,
    control: FakeControl,
    fleet: Places,
    words: tuple[str, ...],
    asked: dict[str, Any],
) -> None:
    control.json("POST /tasks", task(WorkState.PENDING))

    said = sutazai("tasks", "submit", *words)

    assert (said.code, said.out) == (0, "task-1\n")
    assert control.asked[-1].value == {"retries": 0, "dedup": False, **asked}


def test_a_batch_comes_from_a_file(
    sutazai: CommandLine, control: FakeControl, fleet: Places, tmp_path: Path
) -> None:
    control.json("POST /tasks/batch", [task(WorkState.PENDING)])
    (tmp_path / "batch.json").write_text('[{"agent": "helper", "input": 1}]')

    said = sutazai("tasks", "submit", "--batch", str(tmp_path / "batch.json"))

    assert said.code == 0 and "task-1" in said.out
    assert control.asked[-1].value == {"tasks": [{"agent": "helper", "input": 1}]}


def test_waiting_shows_the_end_and_tells_a_bad_one(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /tasks/task-1", FAILED)

    said = sutazai("tasks", "wait", "task-1")

    assert said.code == 1
    for text in ("failed", "it cannot", "helper.0", "last words"):
        assert text in said.out
    assert json.loads(sutazai("tasks", "show", "task-1", "--json").out) == FAILED


def test_tasks_are_listed_cancelled_and_tried_again(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /tasks", [FAILED, task(WorkState.DONE, id="task-2", output=1)])
    control.json("POST /tasks/task-1/cancel", task(WorkState.CANCELLED))
    control.json("POST /tasks/task-1/retry", task(WorkState.PENDING))

    listed = sutazai("tasks", "list", "--in", "failed", "--agent", "helper")

    assert "task-1" in listed.out and "task-2" in listed.out
    assert control.asked[-1].query == {"state": "failed", "agent": "helper", "limit": "50"}
    assert sutazai("tasks", "cancel", "task-1").out == "task-1 cancelled\n"
    assert sutazai("tasks", "retry", "task-1").out == "task-1 pending\n"


def test_what_is_missing_is_said(sutazai: CommandLine, control: FakeControl, fleet: Places) -> None:
    control.refuse("GET /tasks/task-9", NotFound("there is no task task-9"))

    assert sutazai("tasks", "submit", "helper").code == 2
    assert sutazai("tasks", "show", "task-9").code == 4
    assert sutazai("dead", "replay").code == 2
    assert sutazai("dead", "drop", "task-1", "--all").code == 2


def test_dead_letters_are_shown_replayed_and_dropped(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /dead", [FAILED])
    control.json("GET /dead/task-1", FAILED)
    control.json("POST /dead/replay", ["task-1", "task-2"])
    control.json("POST /dead/task-1/replay", task(WorkState.PENDING))
    control.json("DELETE /dead", {"dropped": 2})
    control.json("DELETE /dead/task-1", {"dropped": 1})

    assert "it cannot" in sutazai("dead", "list", "--agent", "helper", "--since", "1h").out
    assert "last words" in sutazai("dead", "show", "task-1").out
    assert sutazai("dead", "replay", "--kind", "failed").out == "replayed: 2 tasks\n"
    assert control.asked[-1].query == {"kind": "failed"}
    assert sutazai("dead", "replay", "task-1").out == "replayed: 1 task\n"
    assert sutazai("dead", "drop", "--all").out == "dropped: 2 tasks\n"
    assert sutazai("dead", "drop", "task-1").out == "dropped: 1 task\n"
