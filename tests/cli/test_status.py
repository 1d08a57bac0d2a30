"""`sutazai status`: the same facts for people, on any screen, and for scripts."""

from __future__ import annotations

import json

from rich.console import Console, RenderableType

from sutazai.cli.status_view import status_document, status_view, watch_view
from sutazai.fleet.places import Places
from sutazai.fleet.status import Level, PressureStatus
from tests.cli.conftest import CommandLine
from tests.cli.examples import MIB, NOW, agent, fleet_status
from tests.cli.fake_control import FakeControl


def drawn(view: RenderableType, width: int = 120) -> list[str]:
    screen = Console(width=width, record=True, file=None, color_system=None, quiet=True)
    screen.quiet = False
    with screen.capture() as captured:
        screen.print(view)
    return captured.get().splitlines()


def test_the_table_tells_what_each_agent_is_and_why_it_is_not_well() -> None:
    lines = drawn(status_view(fleet_status(), now=NOW, width=120))

    planner = next(line for line in lines if line.startswith("planner"))
    executor = next(line for line in lines if line.startswith("executor"))
    assert planner.split() == ["planner", "healthy", "workflow", "hot", "1", "3MiB", "10460"]
    assert "failed" in executor and "exited with status 1" in executor


def test_problems_come_before_everything_else_but_the_heading() -> None:
    status = fleet_status(problems=("executor: failed: exited with status 1",))

    heading, first, *_ = drawn(status_view(status, now=NOW, width=120))

    assert heading.startswith("sutazai: 4 agents, 1 of 2 hot ones healthy, revision 3, up 1.5m")
    assert first == "! executor: failed: exited with status 1"


def test_alerts_come_before_other_problems() -> None:
    alerts = ("critical llm-down: no LLM can be reached",)
    status = fleet_status(problems=("executor: failed",)).model_copy(update={"alerts": alerts})

    _, first, second, *_ = drawn(status_view(status, now=NOW, width=120))

    assert first == "! critical llm-down: no LLM can be reached"
    assert second == "! executor: failed"


def test_totals_of_each_pool_and_the_llm_are_told() -> None:
    lines = drawn(status_view(fleet_status(), now=NOW, width=120))

    assert ["hot", "2", "1", "1", "3MiB"] in [line.split() for line in lines]
    assert ("LLM smollm2-135m-instruct (embedded): healthy, 1 of 2 slots busy, 4 waiting") in lines


def test_how_limits_are_held_and_why_no_better_is_told() -> None:
    lines = drawn(status_view(fleet_status(), now=NOW, width=120))

    assert "limits accounting (cgroup v2: no memory controller is delegated)" in lines


def test_memory_is_told_only_where_it_is_short() -> None:
    well = PressureStatus(level=Level.NORMAL, percent=50, total=24 * 1024 * MIB)
    short = PressureStatus(
        level=Level.CRITICAL, percent=87.4, total=24 * 1024 * MIB, stalled=12.0, withheld=14
    )
    line = (
        "memory critical: 87 % of 24GiB used, stalled 12 % of the time, "
        "14 instances ended until it is over"
    )
    for pressure, told in ((well, False), (short, True)):
        status = fleet_status().model_copy(update={"pressure": pressure})
        for view in (status_view, watch_view):
            assert (line in drawn(view(status, now=NOW, width=120))) is told


def test_agents_of_one_group_stand_together_in_the_order_of_the_file() -> None:
    status = fleet_status(agent("a", group="x"), agent("b", group="y"), agent("c", group="x"))

    lines = drawn(status_view(status, now=NOW, width=120))

    names = [line.split()[0] for line in lines if line[:2] in ("a ", "b ", "c ")]
    assert names == ["a", "c", "b"]


def test_a_narrow_terminal_loses_columns_and_keeps_the_agents() -> None:
    for width in (30, 50, 80):
        lines = drawn(status_view(fleet_status(), now=NOW, width=width), width)
        assert all(len(line) <= width for line in lines)
        assert any(line.startswith("planner") and "10460" in line for line in lines)


def test_what_an_agent_said_cannot_drive_the_terminal() -> None:
    status = fleet_status(problems=("x: \x1b[2Jgone [bold]",))

    assert "! x: �[2Jgone [bold]" in drawn(status_view(status, now=NOW, width=80))


def test_the_watched_view_has_the_agents_last_where_they_may_be_cut() -> None:
    lines = drawn(watch_view(fleet_status(), now=NOW, width=120))

    assert lines[-1].startswith("aider")


def test_json_has_each_agent_with_memory_and_totals_by_pool() -> None:
    document = status_document(fleet_status())

    planner = document["agents"][0]
    assert (planner["name"], planner["temperature"], planner["state"]) == (
        "planner",
        "hot",
        "healthy",
    )
    assert (planner["memory"], planner["port"], len(planner["instances"])) == (3 * MIB, 10460, 1)
    assert document["agents"][1]["memory"] is None
    assert document["pools"]["hot"]["pss"] == 3 * MIB


def test_the_command_prints_json_and_asks_for_measured_memory(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /status", fleet_status().model_dump(mode="json"))

    said = sutazai("status", "--json")

    assert said.code == 0
    assert [each["name"] for each in json.loads(said.out)["agents"]] == [
        "planner",
        "executor",
        "reviewer",
        "aider",
    ]
    assert control.asked[0].query == {"memory": "1"}


def test_the_command_prints_the_table(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /status", fleet_status().model_dump(mode="json"))

    said = sutazai("status")

    assert said.code == 0
    assert "aider is not on this machine" in said.out
    assert said.err == ""


def test_watching_and_json_exclude_each_other(sutazai: CommandLine) -> None:
    said = sutazai("status", "--json", "--watch")

    assert said.code == 2
    assert "give one of them" in said.err
