"""Agents that move to a new version: tasks stay where they began, each unit's work is counted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sutazai.agent.task import TOOLS
from sutazai.fleet.arms import BUCKETS, ArmCounts, ArmsSeen, BreakerTrip, bucket_of
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Key
from sutazai.gateway.backends.breakers import IN_A_ROW
from sutazai.gateway.doors.arms import WORK_MAX, Arms
from sutazai.gateway.doors.trips import TRIPS_MAX
from sutazai.wire import Address
from tests.gateway.conftest import until
from tests.gateway.fake_agents import FakeInstance
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import KEY, House, door, route
from tests.gateway.records.makers import call

GREEN = "planner@2"
CHAT = "/v1/chat/completions"


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
            arms.observe(
                [call(caller="planner", task=task, prompt_tokens=each, completion_tokens=0)]
            )
        arms.ended("planner", task, failed=task == "task-2")
    arms.observe([call(caller="planner", task="task-9", prompt_tokens=99)])
    (counts,) = arms.counts()
    assert (counts.tasks, counts.failed, counts.llm) == (3, 1, 3)
    count, mean, squares = counts.tokens
    assert (count, round(mean, 6)) == (3, 26.666667)
    assert abs(squares - sum((each - mean) ** 2 for each in (30, 50, 0))) < 1e-6


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        ("3 1", (3, 1)),
        ("3 9", (3, 3)),
        ("3", (0, 0)),
        ("-3 1", (0, 0)),
        ("three one", (0, 0)),
        ("3 1 1", (0, 0)),
        ("9999999 1", (0, 0)),
    ],
)
def test_what_an_answer_tells_of_tools_counts_where_it_can_be(
    told: str, counted: tuple[int, int]
) -> None:
    arms = Arms()
    arms.watch([GREEN])
    arms.called_tools(GREEN, told)
    arms.called_tools("planner", "5 5")
    (counts,) = arms.counts()
    assert (counts.tools, counts.tools_failed) == counted


def test_a_breaker_that_opens_by_calls_is_the_trouble_of_those_that_failed() -> None:
    arms = Arms()
    arms.tripped("one", "m", [("planner", "task-1")])
    assert arms.trips.last() == (), "nobody is watched"
    arms.watch(["planner", GREEN])
    arms.begin("planner", "task-1", GREEN)
    arms.observe([call(caller="someone", task="task-9", backend="one", model="m")])
    arms.tripped("one", "m", [("planner", "task-1")])
    arms.tripped("one", "m", [("planner", "task-1"), ("someone", "task-9")])
    assert arms.trips.last() == (
        BreakerTrip(number=1, backend="one", model="m", units=(GREEN,)),
        BreakerTrip(number=2, backend="one", model="m", units=("", GREEN)),
    )
    arms.watch([])
    assert arms.trips.last() == ()


def test_a_breaker_that_a_probe_opens_is_the_trouble_of_all_who_ask_for_the_model() -> None:
    arms = Arms()
    arms.watch(["planner", GREEN])
    arms.begin("planner", "task-1", GREEN)
    for caller, task, model in (
        ("planner", "task-1", "new"),
        ("planner", "task-1", "m"),
        ("someone", "task-9", "m"),
    ):
        arms.observe([call(caller=caller, task=task, backend="one", model=model)])
    for model in ("new", "m", "other"):
        arms.tripped("one", model, ())
    assert [trip.units for trip in arms.trips.last()] == [(GREEN,), ("", GREEN), ()]
    assert all(trip.probe for trip in arms.trips.last())


def test_what_is_remembered_of_trips_is_bounded() -> None:
    arms = Arms()
    arms.watch([GREEN])
    for _ in range(TRIPS_MAX + 1):
        arms.tripped("one", "m", ())
    assert [trip.number for trip in arms.trips.last()] == list(range(2, TRIPS_MAX + 2))


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


async def test_control_says_which_unit_begins_a_task_and_nobody_else_does(
    house: House, folder: Path
) -> None:
    async with FakeInstance(folder, number=1) as blue, FakeInstance(folder, number=2) as green:
        await both(house, blue, green, {"planner": 1, GREEN: 0})
        assert await asked(house, "task-1", unit=GREEN) == "planner-2"
        assert await asked(house, "task-2", unit="planner@9") == "planner-1", "there is none"
        reply = await house.post(
            "/agents/planner/invoke", {"input": "x"}, key=KEY, headers=[("x-sutazai-unit", GREEN)]
        )
        assert reply.json["instance"] == "planner-1"


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
        FakeInstance(folder, number=2, hold=hold, tells=((TOOLS, "3 1"),)) as green,
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
            unit=GREEN, requests=2, tasks=2, tools=6, tools_failed=2, tokens=(2, 0.0, 0.0)
        )


async def both(
    house: House, blue: FakeInstance, green: FakeInstance, weights: dict[str, float]
) -> None:
    await house.start(doors=doors(weights))
    beside = green.endpoint.model_copy(update={"unit": GREEN})
    await house.facts(blue.endpoint, beside, full=True)


def doors(weights: dict[str, float], *, loyal: bool = True) -> list[dict[str, Any]]:
    return [door("planner", port=0, weights=weights, loyal=loyal).model_dump()]


async def asked(house: House, task: str, *, unit: str = "") -> Any:
    """The instance that control's call for the task goes to, where it names a unit or none."""
    control = Address.parse(f"unix:{house.places.gateway_socket}")
    headers = [("x-sutazai-task", task), *([("x-sutazai-unit", unit)] if unit else [])]
    work = {"input": "a backlog"}
    reply = await house.post("/agents/planner/invoke", work, address=control, headers=headers)
    return reply.json["instance"]


async def test_control_is_told_whose_calls_a_breaker_opened_by(house: House, folder: Path) -> None:
    """Green asks for a model that fails, and is served by another one: nothing else shows it."""
    hold = asyncio.Event()
    async with (
        FakeBackend(script=Script(status=500)) as broken,
        FakeBackend() as well,
        FakeInstance(folder, number=2, hold=hold) as green,
    ):
        backends = (route(broken, "broken", weight=100.0), route(well, "well"))
        keys = (Key(name="planner", secret=KEY, agent=True),)
        await house.start(*backends, keys=keys, doors=doors({"planner": 0, GREEN: 1}))
        await house.facts(green.endpoint.model_copy(update={"unit": GREEN}), full=True)
        work = asyncio.create_task(asked(house, "task-1"))
        await until(lambda: green.running)
        for number in range(IN_A_ROW):
            chat = {"model": "fast", "messages": [{"role": "user", "content": f"{number}"}]}
            headers = [("x-sutazai-task", "task-1")]
            assert (await house.post(CHAT, chat, key=KEY, headers=headers)).status == 200
        seen = ArmsSeen.model_validate(await house.api("GET", "/arms"))
        hold.set()
        await work
    assert [(trip.backend, trip.units, trip.probe) for trip in seen.trips] == [
        ("broken", (GREEN,), False)
    ]
