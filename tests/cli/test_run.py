"""`sutazai run`: progress, then artifacts and notes, and an exit code that a script can trust."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sutazai.cli.run_view import StepLines, run_view
from sutazai.fleet.errors import Unavailable
from sutazai.fleet.places import Places
from sutazai.fleet.work import Artifact, Run, StepStatus, WorkState
from tests.cli.conftest import CommandLine
from tests.cli.examples import NOW
from tests.cli.fake_control import FakeControl

PLAN = Artifact(name="plan.md", path="plan.md", size=2048, sha256="0" * 64)


def step(state: WorkState, *, attempts: int = 1, error: str = "") -> StepStatus:
    return StepStatus(
        name="plan",
        agent="planner",
        state=state,
        attempts=attempts,
        started=NOW,
        ended=NOW + 2 if state is WorkState.DONE else None,
        error={"message": error} if error else None,
    )


def run(state: WorkState, *steps: StepStatus, notes: tuple[str, ...] = ()) -> Run:
    return Run(
        id="run-1",
        workflow="standard",
        goal="Tidy up",
        state=state,
        created=NOW,
        ended=NOW + 5 if state in (WorkState.DONE, WorkState.FAILED) else None,
        steps=steps,
        artifacts=(PLAN,) if state is WorkState.DONE else (),
        notes=notes,
    )


def serve(control: FakeControl, *runs: Run) -> None:
    values = [each.model_dump(mode="json") for each in runs]
    control.json("POST /runs", values[0])
    control.events("GET /runs/run-1/events", *(("run", value) for value in values[1:]))


def test_a_run_that_ends_well_prints_its_steps_notes_and_artifacts(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    serve(
        control,
        run(WorkState.PENDING),
        run(WorkState.RUNNING, step(WorkState.RUNNING)),
        run(WorkState.DONE, step(WorkState.DONE), notes=("the plan fell back",)),
    )

    said = sutazai("run", "Tidy up")

    assert said.code == 0
    assert said.out.splitlines()[0] == "run run-1 started"
    assert "✓ plan (planner) done 2s" in said.out
    assert "note: the plan fell back" in said.out
    assert f"{fleet.artifacts / 'run-1' / 'plan.md'}  (2KiB)" in said.out
    assert control.asked[0].value == {"goal": "Tidy up"}


def test_a_run_that_fails_says_which_step_and_why(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    failed = run(WorkState.FAILED, step(WorkState.FAILED, error="the model answered nothing"))
    serve(control, run(WorkState.PENDING), failed)

    said = sutazai("run", "Tidy up")

    assert said.code == 1
    assert "plan: the model answered nothing" in said.out


def test_json_is_the_ended_run_alone(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    serve(control, run(WorkState.PENDING), run(WorkState.DONE, step(WorkState.DONE)))

    assert json.loads(sutazai("run", "Tidy up", "--json").out)["state"] == "done"


def test_a_control_that_restarts_in_the_midst_is_asked_again(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    serve(control, run(WorkState.PENDING), run(WorkState.RUNNING, step(WorkState.RUNNING)))
    broken = control.answers["GET /runs/run-1/events"]

    def second_time(request: object, value: object) -> object:
        serve(control, run(WorkState.PENDING), run(WorkState.DONE, step(WorkState.DONE)))
        return broken(request, value)  # type: ignore[arg-type]

    control.answers["GET /runs/run-1/events"] = second_time  # type: ignore[assignment]

    assert sutazai("run", "Tidy up").code == 0


def test_ctrl_c_cancels_the_run(control: FakeControl, fleet: Places) -> None:
    running = run(WorkState.RUNNING, step(WorkState.RUNNING)).model_dump(mode="json")
    control.json("POST /runs", running)
    control.json("POST /runs/run-1/cancel", running)
    control.events("GET /runs/run-1/events", ("run", running), endless=True)
    words = [sys.executable, "-m", "sutazai.cli", "run", "Tidy up"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        try:
            assert command.stdout is not None and command.stderr is not None
            said = iter(command.stdout.readline, b"")
            assert any(b"plan (planner) running" in line for line in said)

            command.send_signal(signal.SIGINT)

            assert b"run run-1 cancelled" in command.stderr.read()
            assert command.wait(60) == 130
        finally:
            command.kill()
    assert control.asked[-1].path == "/runs/run-1/cancel"


def test_a_backlog_file_becomes_items(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    Path("todo.md").write_text(
        "# Things\n\n- first\n  with a second line\n- [x] done before\n- [ ] third\n\nremark\n"
    )
    serve(control, run(WorkState.DONE))

    sutazai("run", "--backlog", "todo.md")

    assert control.asked[0].value == {"goal": "", "backlog": ["first with a second line", "third"]}


def test_a_backlog_can_be_piped_in_one_item_a_line(
    sutazai: CommandLine,
    control: FakeControl,
    fleet: Places,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\ntwo\n"))
    serve(control, run(WorkState.DONE))

    sutazai("run", "A goal", "--backlog", "-")

    assert control.asked[0].value == {"goal": "A goal", "backlog": ["one", "two"]}


def test_without_anything_the_sample_backlog_is_worked_through(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    serve(control, run(WorkState.DONE))

    sutazai("run")

    assert len(control.asked[0].value["backlog"]) == 3
    assert control.asked[0].value["goal"]


@pytest.mark.parametrize("text", ["", "# Only a heading\n", "- [x] done\n"])
def test_an_empty_backlog_is_bad_input(
    sutazai: CommandLine, control: FakeControl, fleet: Places, text: str
) -> None:
    Path("todo.md").write_text(text)

    said = sutazai("run", "--backlog", "todo.md")

    assert (said.code, control.asked) == (2, [])
    assert "the backlog has no items" in said.err


def test_a_backlog_that_is_not_there_is_bad_input(sutazai: CommandLine, fleet: Places) -> None:
    said = sutazai("run", "--backlog", "nothing.md")

    assert said.code == 2
    assert "there is no file nothing.md" in said.err


def test_a_fleet_that_takes_no_work_now_is_code_6(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.refuse("POST /runs", Unavailable("it stops"))

    assert sutazai("run", "Tidy up").code == 6


def test_past_runs_are_listed_and_shown(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    done = run(WorkState.DONE, step(WorkState.DONE)).model_dump(mode="json")
    control.json("GET /runs", [done])
    control.json("GET /runs/run-1", done)

    assert "run-1" in sutazai("runs", "list").out
    assert json.loads(sutazai("runs", "list", "--json").out)[0]["id"] == "run-1"
    assert "plan.md" in sutazai("runs", "show", "run-1").out


def test_each_change_of_a_step_is_told_once() -> None:
    lines, running = StepLines(), run(WorkState.RUNNING, step(WorkState.RUNNING))

    assert len(lines.changes(running, now=NOW)) == 1
    assert lines.changes(running, now=NOW + 1) == []
    again = run(WorkState.RUNNING, step(WorkState.RUNNING, attempts=2))
    assert "attempt 2" in lines.changes(again, now=NOW + 1)[0].plain


def test_the_live_view_shows_how_long_each_step_takes() -> None:
    screen = Console(width=80)
    with screen.capture() as captured:
        screen.print(run_view(run(WorkState.RUNNING, step(WorkState.RUNNING)), now=NOW + 42))

    assert "42s" in captured.get()
