"""`sutazai agents show`: why an agent is in its state, and what happened last."""

from __future__ import annotations

import json
from typing import Any

from sutazai.fleet.places import Places
from sutazai.fleet.status import Event, InstanceStatus, State
from tests.cli.conftest import CommandLine
from tests.cli.examples import NOW, agent
from tests.cli.fake_control import FakeControl

CALL = {
    "at": NOW,
    "caller": "executor",
    "task": "task-1",
    "model": "smol",
    "backend": "embedded",
    "prompt_tokens": 164,
    "completion_tokens": 17,
    "queued": 0.2,
    "total": 3.4,
    "outcome": "done",
    "error": "",
}


def page(**more: Any) -> dict[str, Any]:
    """What control answers with for an agent whose health check fails."""
    sick = InstanceStatus(
        instance="executor-1", pid=4711, state=State.UNHEALTHY, since=NOW, version="v",
        pss=3 * 1024**2, failures=2, trouble="/health answered 500",
    )  # fmt: skip
    status = agent("executor", State.UNHEALTHY).model_copy(update={"instances": (sick,)})
    failed = Event(
        sequence=7, at=NOW, source="host", kind="check-failed", unit="executor",
        message="executor-1: /health answered 500",
    )  # fmt: skip
    return {
        "status": status.model_dump(mode="json"),
        "why": "its health check failed 2 times: /health answered 500",
        "revision": 3,
        "spec": {"memory": "standard", "class": "work:Executor"},
        "events": [failed.model_dump(mode="json")],
        "log": ["2026-05-04T12:00:00Z executor-1 | cannot reach the database"],
        "calls": [CALL],
        **more,
    }


def test_everything_about_one_agent_is_on_one_screen(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /agents/executor", page())

    said = sutazai("agents", "show", "executor")
    lines = said.out.splitlines()

    assert said.code == 0
    assert "state        unhealthy: its health check failed 2 times: /health answered 500" in lines
    assert {
        "class        work:Executor",
        "tier         standard, priority medium",
        "port         10460",
        "revision     3",
        "memory       3MiB of at most 512MiB (standard)",
    } <= set(lines)
    checks = next(line for line in lines if line.startswith("executor-1 "))
    assert "4711" in checks and checks.rstrip().endswith("2 failed: /health answered 500")
    assert any("executor executor-1: /health answered 500" in line for line in lines)
    assert "2026-05-04T12:00:00Z executor-1 | cannot reach the database" in lines
    call = next(line for line in lines if "task-1" in line)
    assert "164" in call and "3.4s" in call and call.rstrip().endswith("done")


def test_what_could_not_be_had_is_told(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    problem = "its calls to models cannot be shown: no connection"
    control.json("GET /agents/executor", page(calls=[], problems=[problem]))

    assert f"! {problem}" in sutazai("agents", "show", "executor").out


def test_scripts_get_the_same_as_data(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /agents/executor", page())

    assert json.loads(sutazai("agents", "show", "executor", "--json").out) == page()


def test_what_an_agent_wrote_cannot_drive_the_terminal(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /agents/executor", page(log=["\x1b[2Jgone [bold]"]))

    assert "\x1b" not in sutazai("agents", "show", "executor").out
