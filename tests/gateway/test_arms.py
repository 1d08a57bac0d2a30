"""Agents that move to a new version: tasks stay where they began, each unit's work is counted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.arms import BUCKETS, ArmCounts, ArmsSeen, bucket_of
from sutazai.fleet.places import Places
from sutazai.gateway.doors.arms import WORK_MAX, Arms
from sutazai.wire import Address
from tests.gateway.fake_agents import FakeInstance
from tests.gateway.house import House, door
from tests.gateway.records.makers import call

GREEN = "planner@2"


@pytest.fixture
def folder(places: Places) -> Path:
    return places.runtime


def test_response_times_are_counted_in_buckets_of_two_percent() -> None:
    assert (bucket_of(0.0), bucket_of(0.001), bucket_of(1e9)) == (0, 0, BUCKETS - 1)
    assert bucket_of(2.0) - bucket_of(1.0) == 32


def test_only_what_is_watched_is_counted_and_remembered() -> None:
    arms = Arms()
    arms.begin("planner", "task-1", "planner")
    arms.answered("planner", 0.1, failed=False)
    assert (arms.counts(), arms.began_with("planner", "task-1")) == ((), "")
    arms.watch(["planner", GREEN])
    arms.begin("planner", "task-1", GREEN)
    assert arms.began_with("planner", "task-1") == GREEN
    arms.watch([])
    assert (arms.counts(), arms.began_with("planner", "task-1")) == ((), "")


def test_tokens_are_those_of_each_piece_of_work() -> None:
    arms = Arms()
    arms.watch([GREEN])
    for task, tokens in (("task-1", (10, 20)), ("task-2", (50,)), ("task-3", ())):
        arms.begin("planner", task, GREEN)
        for each in tokens:
            arms.observe(call(caller="planner", task=task, prompt_tokens=each, completion_tokens=0))
        arms.ended("planner", task, failed=task == "task-2")
    arms.observe(call(caller="planner", task="task-9", prompt_tokens=99))
    (counts,) = arms.counts()
    assert (counts.tasks, counts.failed, counts.llm) == (3, 1, 3)
    count, mean, squares = counts.tokens
    assert (count, round(mean, 6)) == (3, 26.666667)
    assert abs(squares - sum((each - mean) ** 2 for each in (30, 50, 0))) < 1e-6


def test_what_is_remembered_of_work_is_bounded() -> None:
    arms = Arms()
    arms.watch([GREEN])
    for number in range(WORK_MAX + 1):
        arms.begin("planner", f"task-{number}", GREEN)
    assert arms.began_with("planner", "task-0") == ""
    assert arms.began_with("planner", f"task-{WORK_MAX}") == GREEN


async def test_a_task_stays_with_the_unit_that_began_it(house: House, folder: Path) -> None:
    async with FakeInstance(folder, number=1) as blue, FakeInstance(folder, number=2) as green:
        await both(house, blue, green, {"planner": 1, GREEN: 0})
        assert await asked(house, "task-1") == "planner-1"
        await house.route(doors=doors({"planner": 0, GREEN: 1}))
        assert await asked(house, "task-1") == "planner-1"
        assert await asked(house, "task-2") == "planner-2"


async def test_nothing_stays_with_a_version_that_was_given_up(house: House, folder: Path) -> None:
    async with FakeInstance(folder, number=1) as blue, FakeInstance(folder, number=2) as green:
        await both(house, blue, green, {"planner": 0, GREEN: 1})
        assert await asked(house, "task-1") == "planner-2"
        await house.route(doors=doors({"planner": 1, GREEN: 0}, loyal=False))
        assert await asked(house, "task-1") == "planner-1"


async def test_control_is_told_what_each_unit_did(house: House, folder: Path) -> None:
    hold = asyncio.Event()
    async with (
        FakeInstance(folder, number=1) as blue,
        FakeInstance(folder, number=2, hold=hold) as green,
    ):
        await both(house, blue, green, {"planner": 1, GREEN: 1})
        calls = [asyncio.create_task(asked(house, f"task-{number}")) for number in range(4)]
        hold.set()
        await asyncio.gather(*calls)
        seen = ArmsSeen.model_validate(await house.api("GET", "/arms"))
        by_unit = {one.unit: one for one in seen.arms}
        assert {name: one.requests for name, one in by_unit.items()} == {"planner": 2, GREEN: 2}
        assert all(sum(one.latency.values()) == one.tasks == 2 for one in seen.arms)
        assert by_unit[GREEN].model_copy(update={"latency": {}}) == ArmCounts(
            unit=GREEN, requests=2, tasks=2, tokens=(2, 0.0, 0.0)
        )


async def both(
    house: House, blue: FakeInstance, green: FakeInstance, weights: dict[str, float]
) -> None:
    await house.start(doors=doors(weights))
    beside = green.endpoint.model_copy(update={"unit": GREEN})
    await house.facts(blue.endpoint, beside, full=True)


def doors(weights: dict[str, float], *, loyal: bool = True) -> list[dict[str, Any]]:
    return [door("planner", port=0, weights=weights, loyal=loyal).model_dump()]


async def asked(house: House, task: str) -> Any:
    """The instance that control's call for the task goes to."""
    control = Address.parse(f"unix:{house.places.gateway_socket}")
    headers = [("x-sutazai-task", task)]
    work = {"input": "a backlog"}
    reply = await house.post("/agents/planner/invoke", work, address=control, headers=headers)
    return reply.json["instance"]
