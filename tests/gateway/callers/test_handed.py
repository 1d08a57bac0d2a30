"""What a call through a door says of its work, and who is believed."""

from __future__ import annotations

import pytest

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import BadInput, TaskStopped
from sutazai.fleet.serving import WorkBudget
from sutazai.gateway.callers.handed import work_of
from sutazai.gateway.callers.keys import ANYBODY, CONTROL, Caller
from sutazai.gateway.callers.tasks import Tasks, Work
from sutazai.wire import Headers

ALL = [
    ("x-sutazai-task", "run-1/plan"),
    ("x-sutazai-run", "run-1"),
    ("x-sutazai-priority", "high"),
    ("x-sutazai-deadline", "12.5"),
]
PLANNER = Caller("planner", agent=True)


def test_control_is_believed() -> None:
    work = work_of(Headers(ALL), CONTROL, Tasks(), 100.0)
    assert work == Work("run-1/plan", "run-1", Priority.HIGH, 112.5)


def test_whoever_says_nothing_gets_a_task_of_its_own() -> None:
    first, second = (work_of(Headers(), CONTROL, Tasks(), 0.0) for _ in range(2))
    assert first.task.startswith("task-") and first.task != second.task
    assert first == Work(first.task)


@pytest.mark.parametrize("caller", [PLANNER, ANYBODY, Caller("lab"), Caller("planner")])
def test_nobody_else_is(caller: Caller) -> None:
    work = work_of(Headers(ALL), caller, Tasks(), 0.0)
    assert work == Work(work.task) and work.task != "run-1/plan"


def test_an_agent_hands_on_what_it_serves_and_may_only_shorten_it() -> None:
    tasks = Tasks()
    tasks.serve("planner", Work("run-1/plan", "r", Priority.LOW, 40.0), 0.0, lambda _: None)
    work = work_of(Headers(ALL), PLANNER, tasks, 10.0)
    assert work == Work("run-1/plan", "r", Priority.LOW, 22.5)
    assert work_of(Headers(ALL[:1]), PLANNER, tasks, 10.0).deadline == 40.0


def test_an_agent_cannot_hand_on_a_task_that_is_stopped() -> None:
    tasks = Tasks()
    tasks.apply((), repeats=0, run_budget=WorkBudget())
    tasks.serve("planner", Work("run-1/plan"), 0.0, lambda _: None)
    with pytest.raises(TaskStopped):
        tasks.call(PLANNER, "run-1/plan", "/v1", b"", 0.0)
    with pytest.raises(TaskStopped):
        work_of(Headers(ALL), PLANNER, tasks, 0.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", "x" * 201),
        ("task", "ä"),
        ("run", " "),
        ("priority", "highest"),
        ("deadline", "soon"),
        ("deadline", "-1"),
        ("deadline", "nan"),
        ("deadline", "inf"),
    ],
)
def test_what_cannot_be_understood_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"x-sutazai-{name}"):
        work_of(Headers([(f"x-sutazai-{name}", value)]), CONTROL, Tasks(), 0.0)
