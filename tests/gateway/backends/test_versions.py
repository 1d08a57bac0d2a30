"""Which version of a tier a task gets."""

from __future__ import annotations

from collections import Counter

from sutazai.gateway.backends.versions import pick

TASKS = [f"task-{number}" for number in range(4_000)]


def test_a_task_stays_with_its_version() -> None:
    weights = [("a", 1.0), ("b", 1.0)]
    assert all(pick(weights, task) == pick(weights[::-1], task) for task in TASKS)


def test_versions_get_their_share_of_tasks() -> None:
    found = Counter(pick([("a", 9.0), ("b", 1.0)], task) for task in TASKS)
    assert 0.08 < found["b"] / len(TASKS) < 0.12


def test_a_heavier_canary_takes_tasks_over_and_gives_none_away() -> None:
    before = {task: pick([("old", 9.0), ("new", 1.0)], task) for task in TASKS}
    after = {task: pick([("old", 9.0), ("new", 3.0)], task) for task in TASKS}
    moved = {(before[task], after[task]) for task in TASKS if before[task] != after[task]}
    assert moved == {("old", "new")}


def test_a_version_of_no_weight_gets_nothing() -> None:
    assert {pick([("a", 1.0), ("b", 0.0)], task) for task in TASKS} == {"a"}
    assert pick([("a", 0.0)], "task") is None and pick([], "task") is None


def test_any_text_will_do() -> None:
    assert pick([("a", 1.0)], "\ud83c") == "a"
