"""The views of `sutazai top` beside that of agents: what is told first, on any screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from rich.console import Console, RenderableType

from sutazai.cli.top.alerts import alerts_parts
from sutazai.cli.top.figures import History, Sort
from sutazai.cli.top.gateway import gateway_parts
from sutazai.cli.top.keys import VIEWS, View, Viewing
from sutazai.cli.top.overview import Overview, overview_parts
from sutazai.cli.top.rollouts import rollouts_parts
from sutazai.cli.top.screen import Page, watched_view
from sutazai.cli.top.tasks import Work, tasks_parts
from sutazai.fleet.alert_status import Acknowledgement, Alert, AlertState
from sutazai.fleet.alerting import Severity
from sutazai.fleet.rollouts import Moment, RolloutPlan, RolloutState, RolloutView, Stage, Step
from sutazai.fleet.status import Event, FleetStatus
from sutazai.fleet.work import Run, StepStatus, Task, WorkState
from tests.cli.examples import NOW, agent, fleet_status
from tests.cli.test_gateway import BACKEND, STATS
from tests.cli.test_top import look

LONG = "container-vulnerability-scanner-trivy"
WIDTHS = (40, 80, 140)


def drawn(parts: Iterable[RenderableType], *, width: int = 80) -> str:
    screen = Console(width=width, color_system=None, file=None)
    with screen.capture() as captured:
        screen.print(*parts, sep="\n")
    return captured.get()


def alert(rule: str, **more: Any) -> Alert:
    known: dict[str, Any] = {
        "id": f"{rule}-1", "severity": Severity.CRITICAL, "state": AlertState.FIRING,
        "summary": f"{rule} is so", "hint": f"look into {rule}", "since": NOW,
    }  # fmt: skip
    return Alert(rule=rule, **{**known, **more})


def task(name: str, state: WorkState, **more: Any) -> Task:
    return Task(id=name, agent=LONG, input="x", state=state, created=NOW, **more)


def overview(
    status: FleetStatus, *alerts: Alert, width: int = 80, events: tuple[Event, ...] = ()
) -> str:
    seen = Overview(status=status, alerts=alerts, events=events)
    return drawn(overview_parts(seen, width, now=NOW), width=width)


def test_a_fleet_that_is_well_is_said_to_be() -> None:
    text = overview(fleet_status(agent("planner")))

    assert "All is well: nothing needs you." in text and "not well" not in text


def test_what_is_wrong_comes_first_and_what_follows_from_it_not_at_all() -> None:
    acknowledged = Acknowledgement(by="ada", at=NOW)
    cause = alert("llm-down", acknowledged=acknowledged)
    alerts = (cause, alert("slow", muted="cause: llm-down"), alert("new", severity=Severity.INFO))
    happened = Event(sequence=1, at=NOW, source="host", kind="exited", message="it ended")
    status = fleet_status(problems=("executor is failed: exited with status 1",))

    text = overview(status, *alerts, events=(happened,))

    assert "2 things need you:" in text and "slow" not in text and "new" not in text
    order = ("! llm-down: llm-down is so (ada looks after it) → look into llm-down",
             "! executor is failed", "not well", "what changed", "host it ended")  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    rows = text[text.index("not well") :]
    assert "executor" in rows and "aider" not in rows, "what is not installed is no trouble"


def test_the_gateway_shows_slots_breakers_and_who_waits() -> None:
    broken = {**BACKEND, "breakers": [{"model": "qwen3:8b", "state": "open", "failures": 5}]}
    entry = {"position": 1, "client": "planner", "priority": "high", "target": "tier:fast",
             "waited": 3.0, "eta": 8.0, "id": "call-1"}  # fmt: skip
    queue = {"waiting": 2, "paused": False, "entries": [entry]}

    text = drawn(gateway_parts(STATS, [broken], queue, 80))

    assert "1200 done, 3 failed" in text
    assert "1/2" in text and "desk gets no calls for qwen3:8b: 5 failures in a row" in text
    assert "2 wait" in text and "1 planner high fast 3s 8s call-1" in " ".join(text.split())


def test_tasks_begin_with_what_a_person_is_asked() -> None:
    steps = (StepStatus(name="release", agent="x", state=WorkState.WAITING, item="May it go?"),)
    asks = Run(id="run-1", workflow="w", goal="g", state=WorkState.RUNNING, created=NOW,
               steps=steps)  # fmt: skip
    tasks = (task("task-2", WorkState.RUNNING, started=NOW - 5), task("task-3", WorkState.PENDING))
    ended = task("task-1", WorkState.FAILED, reason="it cannot", started=NOW, ended=NOW + 2)
    work = Work(open=tasks, ended=(ended,), runs=(asks,))

    text = drawn(tasks_parts(work, 80, now=NOW))

    first, *_ = text.splitlines()
    assert first.startswith("release waits for you: May it go?")
    assert "tasks: 1 running, 1 pending" in text
    assert text.index("task-3") < text.index("task-1") and "it cannot" in text
    assert "run-1" in text[text.index("task-1") :]


def test_without_work_tasks_say_so() -> None:
    assert "none is under way" in drawn(tasks_parts(Work(open=(), ended=(), runs=()), 80, now=NOW))


def test_alerts_tell_what_to_do_and_what_nobody_is_told() -> None:
    over = alert("hot", state=AlertState.RESOLVED)

    text = drawn(alerts_parts((alert("llm-down"), alert("slow", muted="cause: llm-down"), over)))

    assert "→ look into llm-down" in text
    assert "slow-1 firing, not told: cause: llm-down" in text
    assert "1 ended of late" in text and "hot" not in text
    assert "Nothing is wrong." in drawn(alerts_parts((over,)))


def rollout() -> RolloutView:
    stages = tuple(Stage(name=name, agents=(LONG,) * 3, lasts=60) for name in ("10 %", "100 %"))
    state = RolloutState(
        id="rollout-1", before=1, after=2, plan=RolloutPlan(), stages=stages, step=Step.MEASURE,
        history=(Moment(number=1, at=NOW, step=Step.MEASURE, text="it is measured"),),
    )  # fmt: skip
    return RolloutView(number=7, told="Phase 1 of 2 is measured.", state=state)


def test_a_rollout_says_where_it_stands() -> None:
    text = drawn(rollouts_parts(rollout(), 80))

    assert "rollout 7: revision 1 → 2, measure" in text and "Phase 1 of 2 is measured." in text
    assert "10 %" in text and "it is measured" in text
    assert "no rollout yet" in drawn(rollouts_parts(None, 80))


def pages() -> dict[View, Page]:
    """Every page, of long names and many of everything."""
    status = fleet_status(*(agent(f"{LONG}-{n}"[:48], reason="why " * 20) for n in range(9)),
                          problems=("a long trouble " * 20,))  # fmt: skip
    tasks = [task(f"task-{n:016}", WorkState.RUNNING, reason="why " * 20) for n in range(40)]
    alerts = tuple(alert(f"{LONG}-{n}") for n in range(9))
    entry = {"client": LONG, "priority": "medium", "target": f"model:{LONG}", "id": "call-1" * 4}
    queue = {"waiting": 50, "entries": [entry] * 50}
    seen = Overview(status=status, alerts=alerts, events=())
    return {
        View.OVERVIEW: Page(NOW, partial(overview_parts, seen, now=NOW)),
        View.GATEWAY: Page(NOW, partial(gateway_parts, STATS, [BACKEND] * 5, queue)),
        View.TASKS: Page(NOW, partial(tasks_parts, Work(open=tasks, ended=(), runs=()), now=NOW)),
        View.ROLLOUTS: Page(NOW, partial(rollouts_parts, rollout())),
        View.ALERTS: Page(NOW, lambda _width: alerts_parts(alerts)),
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("view", [view for view in View if view is not View.AGENTS])
def test_every_view_fits_the_screen_and_can_be_scrolled_to_its_end(view: View, width: int) -> None:
    figures = History().add(look(NOW), Sort.MEMORY)
    viewing, page, height = Viewing(view=view), pages()[view], 12

    lines, viewing = screenful(figures, viewing, page, width=width, height=height)
    last, viewing = screenful(figures, viewing.pressed("end"), page, width=width, height=height)

    for shown in (lines, last):
        assert len(shown) <= height and all(len(line) <= width for line in shown)
    every = len(drawn(page.parts(width), width=width).splitlines())
    assert f"-{every} of {every} lines" in last[-1]
    assert view in lines[0] and all(key in lines[0] for key in VIEWS)


def screenful(
    figures: Any, viewing: Viewing, page: Page | None, *, width: int, height: int
) -> tuple[list[str], Viewing]:
    view, viewing = watched_view(figures, viewing, page, width=width, height=height)
    return drawn([view], width=width).splitlines(), viewing


def test_before_somebody_answers_a_view_says_so() -> None:
    figures = History().add(look(NOW, host=False), Sort.MEMORY)

    lines, _ = screenful(figures, Viewing(view=View.TASKS), None, width=80, height=24)

    assert "nobody has answered yet" in lines and any("! control" in line for line in lines)


def test_keys_turn_to_views_from_their_beginning() -> None:
    far = replace(Viewing(), first=9)
    assert far.pressed("4") == replace(far, view=View.TASKS, first=0)
    elsewhere = far.pressed("1")
    assert elsewhere.pressed("s").sort is far.sort, "only agents are sorted"
    assert not elsewhere.pressed("/").typing
    assert Viewing(typing=True).pressed("4").filter == "4", "a name may have digits"
