"""`sutazai top`: who takes the machine and the model, on any screen and for scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from rich.console import Console

from sutazai.cli.top.agents import top_document, top_view
from sutazai.cli.top.figures import Figures, History, Llm, Look, Processors, Row, Sort
from sutazai.cli.top.reading import counted
from sutazai.fleet.desired import Kind
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Runtime, Temperature
from sutazai.fleet.status import HostStatus, InstanceStatus, State, UnitStatus
from tests.cli.conftest import CommandLine
from tests.cli.examples import MIB, NOW
from tests.cli.fake_control import FakeControl
from tests.cli.fake_gateway import FakeGateway


def unit(name: str, *, pss: int | None = None, state: State = State.HEALTHY) -> UnitStatus:
    one = InstanceStatus(instance=f"{name}-1", pid=1, state=state, since=NOW, version="v", pss=pss)
    return UnitStatus(
        name=name,
        kind=Kind.AGENT,
        runtime=Runtime.PYTHON,
        temperature=Temperature.HOT,
        state=state,
        since=NOW,
        instances=() if pss is None else (one,),
    )


def llm(tokens: Mapping[str, int], *, since: float = NOW - 3600, **more: Any) -> Llm:
    known: dict[str, Any] = {
        "calls": dict.fromkeys(tokens, 1), "queued": {}, "waiting": 0, "oldest_wait": 0.0,
        "running": 1, "slots": 2, "paused": False,
    }  # fmt: skip
    return Llm(since=since, tokens=tokens, **{**known, **more})


def look(
    at: float,
    *units: UnitStatus,
    cpu: Mapping[str, float] | None = None,
    gateway: Llm | None = None,
    tasks: Mapping[str, int] | None = None,
    host: bool = True,
    busy: float = 0.0,
) -> Look:
    return Look(
        at=at,
        measured=True,
        host=HostStatus(pid=1, revision=1, keeper=True, units=units, limits="accounting")
        if host
        else None,
        llm=gateway,
        tasks=tasks,
        cpu=cpu or {},
        processors=Processors(busy=busy, total=2 * at, cores=2),
        memory=(2 * MIB, 8 * MIB),
    )


def row(figures: Figures, name: str) -> Row:
    return next(each for each in figures.rows if each.name == name)


def drawn(figures: Figures, *, width: int = 80, height: int | None = 24) -> list[str]:
    screen = Console(width=width, color_system=None, file=None)
    with screen.capture() as captured:
        screen.print(top_view(figures, width=width, height=height))
    return captured.get().splitlines()


def test_cpu_is_told_between_two_looks_and_of_one_core() -> None:
    history = History()

    first = history.add(look(NOW, unit("a", pss=MIB), cpu={"a-1": 10.0}), Sort.MEMORY)
    second = history.add(
        look(NOW + 2, unit("a", pss=MIB), cpu={"a-1": 13.0}, busy=3.0), Sort.MEMORY
    )

    assert (row(first, "a").cpu, first.cpu) == (None, None)
    assert (row(second, "a").cpu, second.cpu) == (150.0, 75.0)


def test_memory_stays_known_between_two_measurements() -> None:
    history = History()
    history.add(look(NOW, unit("a", pss=5 * MIB)), Sort.MEMORY)
    unmeasured = Look(**{**vars(look(NOW + 2, unit("a", pss=None))), "measured": False})
    running = unit("a", pss=0)
    assert unmeasured.host is not None
    host = unmeasured.host.model_copy(update={"units": (running,)})

    figures = history.add(Look(**{**vars(unmeasured), "host": host}), Sort.MEMORY)

    assert row(figures, "a").memory == 5 * MIB


def test_memory_is_told_against_its_limit_where_a_group_counts_it() -> None:
    one = InstanceStatus(
        instance="a-1", pid=1, state=State.HEALTHY, since=NOW, version="v",
        pss=2 * MIB, memory=3 * MIB, limit=12 * MIB,
    )  # fmt: skip
    limited = unit("a", pss=MIB).model_copy(update={"instances": (one, one)})

    figures = History().add(look(NOW, limited), Sort.MEMORY)

    assert (row(figures, "a").memory, row(figures, "a").limit) == (6 * MIB, 24 * MIB)
    assert "6MiB 25%" in next(line for line in drawn(figures) if line.startswith("a "))


def test_shares_are_of_the_last_minute_once_that_was_seen() -> None:
    history, units = History(), (unit("a"), unit("b"))

    early = history.add(look(NOW, *units, gateway=llm({"a": 300, "b": 100})), Sort.LLM)
    for passed in (30, 60, 90):
        tokens = {"a": 300, "b": 100 + passed}
        late = history.add(look(NOW + passed, *units, gateway=llm(tokens)), Sort.LLM)

    assert (row(early, "a").share, early.share_since) == (0.75, NOW - 3600)
    assert (row(late, "a").share, row(late, "b").share) == (0.0, 1.0)
    assert late.share_since == NOW + 30
    assert [each.name for each in late.rows] == ["b", "a"]


def test_a_gateway_that_was_restarted_counts_from_nought() -> None:
    history = History()
    history.add(look(NOW, unit("a"), gateway=llm({"a": 900, "b": 100})), Sort.LLM)

    new = llm({"a": 1, "b": 3}, since=NOW + 5)
    figures = history.add(look(NOW + 10, unit("a"), gateway=new), Sort.LLM)

    assert (row(figures, "a").share, figures.share_since) == (0.25, NOW + 5)


def test_a_client_that_is_no_unit_is_shown_too() -> None:
    gateway = llm({"a": 1, "editor": 9}, queued={"editor": 4}, waiting=4)
    figures = History().add(look(NOW, unit("a"), gateway=gateway), Sort.LLM)

    assert [each.name for each in figures.rows] == ["editor", "a"]
    assert (figures.rows[0].state, figures.rows[0].queued) == (None, 4)


@pytest.mark.parametrize(
    ("sort", "names"),
    [(Sort.MEMORY, ["big", "busy", "idle"]), (Sort.CPU, ["busy", "big", "idle"])],
)
def test_what_was_asked_for_comes_first(sort: Sort, names: Sequence[str]) -> None:
    units = (unit("idle"), unit("busy", pss=MIB), unit("big", pss=9 * MIB))
    history = History()
    history.add(look(NOW, *units, cpu={"busy-1": 0.0, "big-1": 0.0}), sort)

    figures = history.add(look(NOW + 1, *units, cpu={"busy-1": 0.9, "big-1": 0.1}), sort)

    assert [each.name for each in figures.rows] == names


def test_whoever_is_silent_is_told_and_its_last_figures_stay() -> None:
    history, gateway = History(), llm({"a": 1})
    history.add(look(NOW, unit("a", pss=MIB), gateway=gateway, tasks={"a": 2}), Sort.MEMORY)

    figures = history.add(look(NOW + 2, host=False), Sort.MEMORY)
    back = history.add(look(NOW + 4, unit("a"), gateway=gateway, tasks={}), Sort.MEMORY)

    assert figures.silent == {"host": NOW, "gateway": NOW, "control": NOW}
    assert (row(figures, "a").tasks, row(figures, "a").calls) == (2, 1)
    assert sum(line.startswith("! ") for line in drawn(figures)) == 3
    assert back.silent == {}


def test_before_anybody_answers_there_is_a_screen_that_says_so() -> None:
    figures = History().add(look(NOW, host=False), Sort.MEMORY)

    assert figures.silent == {"host": None, "gateway": None, "control": None}
    assert any("host does not answer, it may be restarting" in line for line in drawn(figures))


@pytest.mark.parametrize("agents", [5, 69, 150])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 50), (40, 10)])
def test_it_fits_any_screen_and_says_what_is_hidden(agents: int, width: int, height: int) -> None:
    name = "container-vulnerability-scanner-trivy"
    units = [unit(f"{name}-{number}", pss=number * MIB) for number in range(1, agents + 1)]
    figures = History().add(look(NOW, *units, gateway=llm({}), tasks={}), Sort.MEMORY)

    lines = drawn(figures, width=width, height=height)

    shown = [line for line in lines if line.startswith("contain")]
    assert len(lines) <= height and all(len(line) <= width for line in lines)
    assert all("MiB" in line and line.rstrip()[-1] in "-%" for line in shown)
    if len(shown) < agents:
        assert lines[-1] == f"and {agents - len(shown)} more"


def test_on_a_plain_terminal_a_row_has_everything() -> None:
    gateway = llm({"a": 3, "b": 1}, queued={"planner": 2}, waiting=2, oldest_wait=12.0)
    history, units = History(), (unit("planner", pss=3 * MIB),)
    history.add(look(NOW, *units, gateway=gateway, cpu={"planner-1": 1.0}), Sort.MEMORY)
    now = look(NOW + 2, *units, gateway=gateway, tasks={"planner": 4}, cpu={"planner-1": 1.1})

    lines = drawn(history.add(now, Sort.MEMORY))

    planner = next(line for line in lines if line.startswith("planner"))
    assert planner.split() == ["planner", "healthy", "3MiB", "5.0", "hot", "4", "0", "2", "0", "%"]
    assert "memory 2MiB of 8MiB (25 %), pressure normal" in lines[0]
    assert "LLM 1 of 2 slots busy, 2 wait, the longest for 12s" in lines[1]


def test_scripts_get_every_row_in_plain_units() -> None:
    gateway = llm({"a": 1}, queued={"a": 1}, waiting=1)
    figures = History().add(look(NOW, unit("a", pss=MIB), gateway=gateway), Sort.CPU)

    document = json.loads(json.dumps(top_document(figures)))

    assert (document["rows"][0]["memory"], document["rows"][0]["state"]) == (MIB, "healthy")
    assert document["llm"]["waiting"] == 1 and "queued" not in document["llm"]


def test_callers_are_counted_from_the_gateways_metrics() -> None:
    metrics = (
        "# TYPE sutazai_gateway_agent_requests_total counter\n"
        'sutazai_gateway_agent_requests_total{agent="a",model="x",outcome="done"} 3\n'
        'sutazai_gateway_agent_requests_total{agent="a",model="y",outcome="failed"} 1\n'
        'sutazai_gateway_agent_tokens_total{agent="a",model="x",kind="prompt"} 30\n'
        'sutazai_gateway_agent_tokens_total{agent="odd \\"one\\"",model="x",kind="prompt"} 7\n'
        'sutazai_gateway_tokens_total{tier="x",model="y",kind="prompt"} 999\n'
    )

    assert counted(metrics) == ({"a": 4}, {"a": 30, 'odd "one"': 7})


def test_without_a_terminal_it_prints_once_and_says_who_is_silent(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    """Here a gateway of another version, a control, and no host."""
    control.json("GET /tasks/open", {"planner": 2})
    stats = {
        "uptime": 60.0, "queued": {"high": 0, "medium": 1, "low": 0}, "oldest_wait": 1.0,
        "running": 2, "paused": False, "backends": [{"available": True, "slots": 2}],
    }  # fmt: skip
    answers = {"GET /stats": stats, "GET /queue": {"entries": [{"client": "editor"}]},
               "GET /metrics": ""}  # fmt: skip
    with FakeGateway(fleet, answers):
        said = sutazai("top")
        document = json.loads(sutazai("top", "--json", "--sort", "llm").out)

    assert said.code == 0
    assert "! host does not answer, it may be restarting" in said.out
    assert "LLM 2 of 2 slots busy, 1 wait, the longest for 1s" in said.out
    assert list(document["silent"]) == ["host"]


def test_without_a_fleet_there_is_nothing_to_see(sutazai: CommandLine) -> None:
    assert sutazai("top", "--once").code == 6
