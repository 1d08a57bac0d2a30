"""`sutazai workflows`, `run --workflow`, and the answers of a person."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sutazai.cli.run_view import StepLines, run_view
from sutazai.fleet.errors import Conflict
from sutazai.fleet.places import Places
from sutazai.fleet.work import Run, StepStatus, WorkState
from tests.cli.conftest import CommandLine
from tests.cli.examples import NOW
from tests.cli.fake_control import FakeControl

BOOK = {
    "description": "A small book.",
    "steps": [
        {"name": "plan", "agent": "planner", "input": "Plan.", "retries": 2},
        {
            "name": "write",
            "capability": "writing",
            "map": "${steps.plan.output}",
            "input": "${item}",
            "when": "${input} == 1",
            "artifact": "${number}.md",
        },
        {
            "name": "sign",
            "approval": "Well?",
            "timeout": "1h",
            "repeat": {"from": "plan", "until": "${steps.sign.output.approved}"},
        },
    ],
}


def book_run(state: WorkState, *steps: StepStatus) -> Run:
    ended = None if state.is_open else NOW + 5
    return Run(
        id="run-1", workflow="book", goal="book", state=state, created=NOW, ended=ended, steps=steps
    )


SIGNING = StepStatus(
    name="sign#2",
    agent="a person",
    state=WorkState.WAITING,
    item="Publish it?",
    attempts=1,
    started=NOW,
)


def test_workflows_are_listed_and_shown(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /workflows", {"book": BOOK})
    control.json("GET /workflows/book", BOOK)

    listed, shown = sutazai("workflows", "list").out, sutazai("workflows", "show", "book").out

    assert "standard" in listed and "A small book." in listed
    for words in ("any with writing", "a person", "2 retries", "within 1h", "writes ${number}.md"):
        assert words in " ".join(shown.split())


@pytest.mark.parametrize("piped", [False, True])
def test_a_run_of_a_workflow_takes_json(
    sutazai: CommandLine,
    control: FakeControl,
    fleet: Places,
    monkeypatch: pytest.MonkeyPatch,
    *,
    piped: bool,
) -> None:
    done = book_run(WorkState.DONE).model_dump(mode="json")
    control.json("POST /runs", done)
    monkeypatch.setattr("sys.stdin", io.StringIO('{"parts": [1]}'))

    said = sutazai("run", "--workflow", "book", "--input", "-" if piped else '{"parts": [1]}')

    assert said.code == 0
    assert control.asked[0].value == {"workflow": "book", "input": {"parts": [1]}}


@pytest.mark.parametrize(
    "words",
    [
        ("--workflow", "book", "--input", "no json"),
        ("--input", "1"),
        ("a goal", "--workflow", "book"),
    ],
)
def test_what_cannot_be_meant_is_bad_input(
    sutazai: CommandLine, control: FakeControl, fleet: Places, words: tuple[str, ...]
) -> None:
    assert sutazai("run", *words).code == 2
    assert control.asked == []


def test_a_person_answers(sutazai: CommandLine, control: FakeControl, fleet: Places) -> None:
    control.json("POST /runs/run-1/approvals/sign", {})

    assert "step sign approved" in sutazai("runs", "approve", "run-1", "sign").out
    sutazai("runs", "reject", "run-1", "sign", "--comment", "too long")

    assert [asked.value for asked in control.asked] == [
        {"approved": True, "comment": ""},
        {"approved": False, "comment": "too long"},
    ]
    control.refuse("POST /runs/run-1/approvals/sign", Conflict("it is done"))
    assert sutazai("runs", "approve", "run-1", "sign").code == 5


def test_a_run_is_cancelled(sutazai: CommandLine, control: FakeControl, fleet: Places) -> None:
    control.json("POST /runs/run-1/cancel", {"id": "run-1"})

    assert sutazai("runs", "cancel", "run-1").out == "run run-1: cancelled\n"
    assert sutazai("runs", "cancel", "run-1", "--json").code == 0

    control.refuse("POST /runs/run-1/cancel", Conflict("it has ended"))
    assert sutazai("runs", "cancel", "run-1").code == 5


def test_who_watches_is_told_how_to_answer() -> None:
    running = book_run(WorkState.RUNNING, SIGNING)
    how = "sutazai runs approve run-1 sign, or reject"

    lines = [line.plain for line in StepLines().changes(running, now=NOW)]
    screen = Console(width=200)
    with screen.capture() as captured:
        screen.print(run_view(running, now=NOW))

    assert lines == [f"sign waits for you: Publish it? → {how}"]
    assert how in captured.get()
