"""What calls inherit from the task that is served, what tasks and runs may use, and their end."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import TaskStopped
from sutazai.fleet.routes import Key
from sutazai.fleet.serving import WorkBudget
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.callers.runs import RUN_AGE, RUNS_MAX, Runs
from sutazai.gateway.callers.tasks import STOPPED_MAX, ServedCall, Serving, Tasks, Work

PLANNER = Caller("planner", agent=True)
WORKER = Caller("worker", agent=True)
CHAT = "/v1/chat/completions"


def tasks(*, repeats: int | None = None, run: Any = None, **budgets: dict[str, Any]) -> Tasks:
    """Tasks under these budgets, by agent."""
    made = Tasks()
    keys = [
        Key(name=name, secret=name, agent=True, task_budget=WorkBudget(**budgets.get(name, {})))
        for name in ("planner", "worker")
    ]
    made.apply(keys, repeats=repeats, run_budget=WorkBudget(**(run or {})))
    return made


def serve(
    served: Tasks, work: Work, agent: str = "planner", stops: list[TaskStopped] | None = None
) -> Serving:
    heard = [] if stops is None else stops
    return served.serve(agent, work, 0.0, heard.append)


def call(
    served: Tasks, task: str = "t", who: Caller = PLANNER, body: bytes = b"", now: float = 0.0
) -> ServedCall:
    made = served.call(who, task, CHAT, body, now)
    assert made is not None
    return made


# what belongs to a task


def test_a_call_has_the_rank_the_deadline_and_the_run_of_the_task_that_its_agent_serves() -> None:
    served = tasks()
    serve(served, Work("t", "r", Priority.HIGH, 30.0))
    made = call(served)
    assert (made.task, made.run, made.priority, made.deadline) == ("t", "r", Priority.HIGH, 30.0)


def test_what_a_task_does_not_say_is_left_to_the_agent() -> None:
    served = tasks()
    serve(served, Work("t"))
    made = call(served)
    assert (made.run, made.priority, made.deadline) == ("", None, None)


def test_a_header_proves_nothing() -> None:
    served = tasks()
    serving = serve(served, Work("t", priority=Priority.HIGH))
    for who, task in (
        (PLANNER, "other"),
        (WORKER, "t"),
        (Caller("planner"), "t"),
        (Caller("@keyless:planner"), "t"),
    ):
        assert served.call(who, task, CHAT, b"", 0.0) is None
    serving.end()
    assert served.call(PLANNER, "t", CHAT, b"", 0.0) is None
    assert served.served == 0


def test_an_agent_serves_until_the_last_of_its_calls_for_the_task_ended() -> None:
    served = tasks()
    first = serve(served, Work("t", deadline=50.0))
    second = serve(served, Work("t", deadline=20.0))
    assert call(served).deadline == 50.0
    first.end()
    first.end()
    assert call(served).deadline == 20.0
    second.end()
    assert served.call(PLANNER, "t", CHAT, b"", 0.0) is None


def test_an_agent_hands_on_the_task_that_it_serves_and_no_other() -> None:
    served = tasks()
    serving = serve(served, Work("t", "r", Priority.LOW, 50.0))
    assert served.handed_on("planner", "t", 80.0) == Work("t", "r", Priority.LOW, 50.0)
    assert served.handed_on("planner", "t", 20.0) == Work("t", "r", Priority.LOW, 20.0)
    assert served.handed_on("worker", "t") is None
    assert served.handed_on("planner", "other") is None
    serving.end()
    assert served.handed_on("planner", "t") is None


# budgets


def test_a_task_that_made_its_calls_is_stopped_and_stays_so() -> None:
    served, stops = tasks(planner={"calls": 2}), list[TaskStopped]()
    serving = serve(served, Work("t"), stops=stops)
    for _ in range(2):
        call(served).end(10)
    for _ in range(3):
        with pytest.raises(TaskStopped, match="a task of planner may use 2 calls") as error:
            call(served)
        assert error.value.data == {"task": "t", "reason": "calls"}
        assert "`task_budget` of the agent planner" in (error.value.hint or "")
    assert [stop.data["reason"] for stop in stops] == ["calls"]
    with pytest.raises(TaskStopped):
        serve(served, Work("t"))
    with pytest.raises(TaskStopped):
        served.handed_on("planner", "t")
    serving.end()


def test_an_agent_that_goes_on_after_its_task_was_stopped_is_refused() -> None:
    served = tasks(planner={"calls": 1})
    serving = serve(served, Work("t"))
    call(served)
    with pytest.raises(TaskStopped):
        call(served)
    serving.end()
    with pytest.raises(TaskStopped):
        call(served)


def test_a_stopped_task_that_is_given_anew_begins_anew() -> None:
    served = tasks(planner={"calls": 1})
    serving = serve(served, Work("t"))
    call(served)
    with pytest.raises(TaskStopped):
        call(served)
    serving.end()
    serve(served, Work("t"))
    call(served)


def test_tokens_of_a_task_are_prompts_and_answers_together() -> None:
    served = tasks(planner={"tokens": 100})
    serve(served, Work("t"))
    for tokens in (60, 39, 1):
        call(served).end(tokens)
    with pytest.raises(TaskStopped, match="100 tokens"):
        call(served)


def test_calls_in_flight_are_all_that_a_budget_of_tokens_is_passed_by() -> None:
    served = tasks(planner={"tokens": 100})
    serve(served, Work("t"))
    flying = [call(served) for _ in range(3)]
    for made in flying:
        made.end(100)
        made.end(100)
    with pytest.raises(TaskStopped):
        call(served)


def test_the_time_of_a_task_runs_from_its_first_call_and_bounds_each_call() -> None:
    served = tasks(planner={"time": "60s"})
    serve(served, Work("t", deadline=1000.0))
    assert call(served, now=100.0).deadline == 160.0
    assert call(served, now=159.0).deadline == 160.0
    with pytest.raises(TaskStopped, match="may take 60 s"):
        call(served, now=160.0)


def test_a_deadline_is_never_later_than_the_tasks_own() -> None:
    served = tasks(planner={"time": "60s"})
    serve(served, Work("t", deadline=30.0))
    assert call(served, now=0.0).deadline == 30.0


def test_what_other_agents_use_for_a_task_is_the_tasks_too() -> None:
    served, stops = tasks(planner={"tokens": 100}), list[TaskStopped]()
    serve(served, Work("t"), stops=stops)
    serve(served, Work("t"), "worker", stops)
    call(served, who=WORKER).end(100)
    with pytest.raises(TaskStopped, match="a task of planner"):
        call(served)
    assert len(stops) == 2
    with pytest.raises(TaskStopped):
        call(served, who=WORKER)


def test_an_agent_that_is_asked_keeps_its_own_budget_within_the_task() -> None:
    served = tasks(worker={"calls": 1})
    serve(served, Work("t"))
    serve(served, Work("t"), "worker")
    for _ in range(3):
        call(served)
    call(served, who=WORKER)
    with pytest.raises(TaskStopped, match="a task of worker may use 1 calls"):
        call(served, who=WORKER)


def test_a_call_that_no_backend_saw_was_not_made() -> None:
    served = tasks(repeats=1, planner={"calls": 1})
    serve(served, Work("t"))
    for _ in range(5):
        made = call(served)
        made.withdraw()
        made.withdraw()
        made.end(100)
    call(served)
    with pytest.raises(TaskStopped):
        call(served)


def test_tasks_do_not_pay_for_each_other() -> None:
    served = tasks(planner={"calls": 1})
    serve(served, Work("a"))
    serve(served, Work("b"))
    call(served, "a")
    call(served, "b")


# runs


def test_a_run_is_bound_over_all_its_tasks() -> None:
    served, stops = tasks(run={"tokens": 100}), list[TaskStopped]()
    for task, tokens in (("r/plan", 40), ("r/execute", 60)):
        serving = serve(served, Work(task, "r"))
        call(served, task).end(tokens)
        serving.end()
    serve(served, Work("other"), stops=stops)
    with pytest.raises(TaskStopped, match="the run r may use 100 tokens") as error:
        serve(served, Work("r/review", "r"))
    assert error.value.hint == "if it needs more than that, raise `gateway.run_budget`"
    assert served.served == 1 and not stops
    call(served, "other")


def test_a_task_is_stopped_where_others_used_up_its_run() -> None:
    served = tasks(run={"calls": 2})
    serve(served, Work("a", "r"))
    serve(served, Work("b", "r"))
    call(served, "a")
    call(served, "b")
    for task in ("a", "b"):
        with pytest.raises(TaskStopped, match="the run r"):
            call(served, task)


def test_runs_are_remembered_for_a_day_and_only_so_many() -> None:
    runs = Runs()
    first = runs.get("first", 0.0)
    assert runs.get("first", RUN_AGE - 1) is first
    assert runs.get("first", 2 * RUN_AGE) is not first
    for number in range(RUNS_MAX + 10):
        runs.get(f"r{number}", 2 * RUN_AGE)
    assert len(runs) == RUNS_MAX
    runs.get("last", 4 * RUN_AGE)
    assert len(runs) == 1


# loops


def test_a_task_that_goes_in_circles_is_stopped() -> None:
    served, stops = tasks(repeats=3), list[TaskStopped]()
    serve(served, Work("t"), stops=stops)
    for number in range(3):
        call(served, body=b"the same").end(1)
        call(served, body=b"another %d" % number).end(1)
    with pytest.raises(TaskStopped, match="planner made the same call more than 3 times") as error:
        call(served, body=b"the same")
    assert error.value.data["reason"] == "loop"
    assert len(stops) == 1
    with pytest.raises(TaskStopped):
        call(served, body=b"quite another")


def test_agents_that_ask_each_other_in_circles_are_stopped() -> None:
    served = tasks(repeats=3)
    serve(served, Work("t"))
    serve(served, Work("t"), "worker")
    for who in (PLANNER, WORKER, PLANNER):
        call(served, who=who, body=b"the same")
    with pytest.raises(TaskStopped):
        call(served, who=WORKER, body=b"the same")


def test_where_repeats_are_not_bound_nothing_is_a_loop() -> None:
    served = tasks(repeats=None)
    serve(served, Work("t"))
    for _ in range(100):
        call(served)


def test_a_serving_may_end_itself_when_it_is_stopped() -> None:
    served = tasks(repeats=1)
    servings: dict[int, Serving] = {}
    for number, agent in enumerate(("planner", "worker", "planner")):
        stop = partial(_end, servings, number)
        servings[number] = served.serve(agent, Work("t"), 0.0, stop)
    call(served)
    with pytest.raises(TaskStopped):
        call(served)
    assert served.served == 0


def _end(servings: dict[int, Serving], number: int, _: TaskStopped) -> None:
    servings[number].end()


def test_stopped_tasks_that_are_remembered_are_bounded() -> None:
    served = tasks(planner={"calls": 1})
    for number in range(STOPPED_MAX + 1):
        serving = serve(served, Work(f"t{number}"))
        call(served, f"t{number}")
        with pytest.raises(TaskStopped):
            call(served, f"t{number}")
        serving.end()
    assert served.call(PLANNER, "t0", CHAT, b"", 0.0) is None
    with pytest.raises(TaskStopped):
        call(served, "t1")
