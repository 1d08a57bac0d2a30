"""The queue in its table: taken in once, claimed in order, ended once, on either database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import BadInput, Conflict, QueueFull
from sutazai.fleet.queueing import TaskOverflow
from sutazai.fleet.work import WorkState
from sutazai.store import Database, Wanted
from sutazai.store.turns import Ended
from sutazai.tasks.queue.admission import Admission
from tests.store.queueing import Anybody, Queue, attempt_of, done, failed


async def test_a_task_is_claimed_once_and_ends_once(any_database: Database) -> None:
    queue = Queue(any_database)
    await queue.add("task-1", input={"q": 1}, priority=Priority.HIGH, deadline=9.0)
    turned = await asyncio.gather(*(queue.turn(now=2.0, by=f"x{n}") for n in range(4)))
    (claim,) = [claim for each in turned for claim in each.claims]
    assert (claim.id, claim.agent, claim.input) == ("task-1", "planner", {"q": 1})
    assert (claim.attempt, claim.fence, claim.deadline) == (1, 1, 9.0)
    running = await queue.tasks.get("task-1")
    assert running is not None and running.state is WorkState.RUNNING
    assert [one.executor for one in running.attempts] == [claim.executor]

    ended = await queue.turn(done(claim, 3.0, ["x"]), now=3.0)
    assert ended.ended == ("task-1",) and ended.dead == ()
    again = await queue.turn(failed(claim, 4.0), now=4.0)
    assert again.ended == ()
    task = await queue.tasks.get("task-1")
    assert task is not None
    assert (task.state, task.output, task.started, task.ended) == (WorkState.DONE, ["x"], 2.0, 3.0)
    assert [one.ended for one in task.attempts] == [3.0]


async def test_a_late_result_of_an_earlier_owner_changes_nothing(any_database: Database) -> None:
    queue = Queue(any_database)
    await queue.add("task-1")
    (old,) = (await queue.turn(now=2.0, by="first")).claims
    (known,) = await queue.turns.running("first")
    assert known == old
    lost = Ended(old.id, old.fence, attempt_of(old, 3.0), reason="first died")
    (new,) = (await queue.turn(lost, now=3.0, by="second")).claims
    assert (new.attempt, new.fence > old.fence) == (2, True)
    late = await queue.turn(done(old, 4.0, "late"), now=4.0, by="first")
    assert late.ended == ()
    await queue.turn(done(new, 5.0, "right"), now=5.0, by="second")
    task = await queue.tasks.get("task-1")
    assert task is not None and task.output == "right"


async def test_the_urgent_go_first_and_the_old_before_the_new(any_database: Database) -> None:
    queue = Queue(any_database)
    await queue.add("low", 0.0, priority=Priority.LOW)
    await queue.add("medium", 0.0)
    await queue.add("high-late", 200.0, priority=Priority.HIGH)
    await queue.add("high", 100.0, priority=Priority.HIGH)
    order = []
    for _ in range(4):
        (claim,) = (await queue.turn(now=300.0, slots=1)).claims
        order.append(claim.id)
    assert order == ["high", "medium", "high-late", "low"]


async def test_a_full_agent_does_not_stand_in_the_way_of_others(any_database: Database) -> None:
    queue = Queue(any_database, routing=Anybody(planner=1, executor=2))
    for number in range(5):
        await queue.add(f"p{number}", float(number))
    for number in range(3):
        await queue.add(f"e{number}", 10.0 + number, agent="executor")
    turned = await queue.turn(now=20.0, slots=4)
    assert [claim.id for claim in turned.claims] == ["p0", "e0", "e1"]
    assert (await queue.turn(now=20.0, slots=4)).claims == ()


async def test_limits_hold_over_all_executors(any_database: Database) -> None:
    queue = Queue(any_database)
    for number in range(10):
        await queue.add(f"task-{number}")
    turned = await asyncio.gather(
        *(queue.turn(now=2.0, slots=3, limit=7, by=f"x{n}") for n in range(5))
    )
    assert sum(len(each.claims) for each in turned) == 7


async def test_what_is_not_taken_in_time_expires(any_database: Database) -> None:
    queue = Queue(any_database)
    await queue.add("task-1", 0.0, ttl=5.0)
    turned = await queue.turn(now=1.0, slots=0)
    assert turned.due == 5.0
    turned = await queue.turn(now=5.0)
    assert turned.ended == ("task-1",)
    (task,) = turned.dead
    assert (task.state, task.reason) == (
        WorkState.EXPIRED,
        "nobody took it within its time to live",
    )


async def test_a_delayed_task_waits_and_then_lives_for_its_time(any_database: Database) -> None:
    queue = Queue(any_database)
    await queue.add("task-1", 0.0, ready=10.0, ttl=5.0)
    turned = await queue.turn(now=9.0)
    assert (turned.claims, turned.due) == ((), 10.0)
    assert await queue.state("task-1") is WorkState.WAITING
    assert (await queue.turn(now=12.0, slots=0)).due == 17.0
    (claim,) = (await queue.turn(now=13.0)).claims
    assert claim.id == "task-1"


async def test_an_attempt_that_failed_is_made_again_after_its_time(any_database: Database) -> None:
    queue = Queue(any_database)
    await queue.add("task-1", 0.0, ttl=5.0, retries=1)
    (claim,) = (await queue.turn(now=1.0)).claims
    again = Ended(claim.id, claim.fence, attempt_of(claim, 2.0), ready=30.0, reason="it failed")
    turned = await queue.turn(again, now=2.0)
    assert (turned.claims, turned.due) == ((), 30.0)
    waiting = await queue.tasks.get("task-1")
    assert waiting is not None
    assert (waiting.state, waiting.reason) == (WorkState.WAITING, "it failed")
    (second,) = (await queue.turn(now=31.0)).claims
    assert (second.attempt, [one.number for one in second.earlier]) == (2, [1])


async def test_a_task_goes_on_when_what_it_depends_on_is_done(any_database: Database) -> None:
    queue = Queue(any_database)
    await queue.add("a", idempotency_key="first")
    await queue.add("b")
    await queue.add("c", depends_on=("first", "b"))
    waiting = await queue.tasks.get("c")
    assert waiting is not None
    assert (waiting.state, waiting.reason) == (WorkState.WAITING, "it waits for 2 other tasks")
    assert waiting.depends_on == ("a", "b")
    first, second = (await queue.turn(now=2.0)).claims
    assert (await queue.turn(done(first, 3.0), now=3.0)).claims == ()
    (claim,) = (await queue.turn(done(second, 4.0), now=4.0)).claims
    assert claim.id == "c"


async def test_what_depends_on_a_failed_task_fails_with_it(any_database: Database) -> None:
    queue = Queue(any_database)
    await queue.add("a")
    await queue.add("b", depends_on=("a",))
    await queue.add("c", depends_on=("b",))
    (claim,) = (await queue.turn(now=2.0)).claims
    turned = await queue.turn(failed(claim, 3.0), now=3.0)
    assert set(turned.ended) == {"a", "b", "c"}
    task = await queue.tasks.get("c")
    assert task is not None and task.error is not None
    assert task.reason == "it depends on b, which failed"
    with pytest.raises(Conflict, match="depends on b, which is failed"):
        await queue.changes.retry("c", 5.0)
    assert await queue.changes.replay(Wanted(), 6.0, limit=10) == ["a", "b", "c"]
    assert await queue.state("c") is WorkState.WAITING


async def test_dependencies_that_cannot_be_met_are_refused(any_database: Database) -> None:
    queue = Queue(any_database)
    with pytest.raises(BadInput, match="no such task"):
        await queue.add("a", depends_on=("nobody",))
    await queue.add("b")
    await queue.changes.cancel("b", 2.0)
    with pytest.raises(Conflict, match="ended already: cancelled"):
        await queue.add("c", depends_on=("b",))
    assert await queue.tasks.count_open() == 0


async def test_the_bound_is_never_exceeded(any_database: Database) -> None:
    queue = Queue(any_database, Admission(5))
    asked = (queue.add(f"task-{number}") for number in range(12))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, QueueFull) for answer in answers) == 7
    assert await queue.tasks.count_open() == 5


async def test_the_least_urgent_makes_room_where_that_is_wanted(any_database: Database) -> None:
    queue = Queue(any_database, Admission(2, overflow=TaskOverflow.SHED_LOWEST))
    await queue.add("medium")
    await queue.add("low", priority=Priority.LOW)
    await queue.add("high", priority=Priority.HIGH)
    assert await queue.state("low") is WorkState.SHED
    with pytest.raises(QueueFull):
        await queue.add("another")
    assert await queue.state("medium") is WorkState.PENDING


async def test_the_same_key_gives_the_same_task(any_database: Database) -> None:
    queue = Queue(any_database)
    asked = (queue.add(f"task-{n}", idempotency_key="k") for n in range(5))
    assert len(set(await asyncio.gather(*asked))) == 1
    assert len(await queue.tasks.newest()) == 1
    with pytest.raises(Conflict, match="belongs to another task"):
        await queue.add("task-9", idempotency_key="k", input=2)


async def test_a_cancelled_task_is_nobodys_and_can_be_tried_again(any_database: Database) -> None:
    queue = Queue(any_database)
    await queue.add("task-1")
    (claim,) = (await queue.turn(now=2.0)).claims
    assert [task.id for task in await queue.changes.cancel("task-1", 3.0)] == ["task-1"]
    assert await queue.changes.cancel("task-1", 3.0) == []
    assert (await queue.turn(done(claim, 4.0), now=4.0)).ended == ()
    await queue.changes.retry("task-1", 5.0)
    (second,) = (await queue.turn(now=6.0)).claims
    assert (second.attempt, second.earlier) == (2, ())


async def test_dead_letters_are_found_by_what_is_known_of_them(any_database: Database) -> None:
    queue = Queue(any_database)
    await queue.add("failed")
    await queue.add("expired", ttl=1.0, agent="executor", at=5.0)
    (claim,) = (await queue.turn(now=2.0, slots=1)).claims
    await queue.turn(failed(claim, 3.0), now=3.0, slots=0)
    await queue.turn(now=10.0)

    async def found(**wanted: Any) -> list[str]:
        states = (WorkState.FAILED, WorkState.EXPIRED)
        return [task.id for task in await queue.tasks.find(Wanted(states, **wanted), limit=9)]

    assert await found() == ["expired", "failed"]
    assert await found(agent="executor") == ["expired"]
    assert await found(kind="AgentFailed") == await found(kind="failed") == ["failed"]
    assert await found(since=4.0) == ["expired"]
    assert await found(until=4.0) == ["failed"]
    assert await queue.changes.drop(["failed", "nobody"]) == 1
    assert await found() == ["expired"]


async def test_what_ended_is_kept_to_a_bound_each_kind_by_itself(any_database: Database) -> None:
    queue = Queue(any_database)
    for number in range(8):
        await queue.add(f"task-{number}", float(number))
    claims = (await queue.turn(now=10.0)).claims
    for at, claim in enumerate(claims[:7]):
        await queue.turn((failed if at % 2 else done)(claim, float(at)), now=float(at), slots=0)
    assert await queue.tasks.retire(before=1.0, dead_before=2.0, kept=2) == 3
    assert [t.id for t in await queue.tasks.newest()] == [
        "task-7", "task-6", "task-5", "task-4", "task-3",
    ]  # fmt: skip


async def test_tasks_are_listed_newest_first_and_counted_by_agent(any_database: Database) -> None:
    queue = Queue(any_database)
    for number, agent in enumerate(["planner", "executor", "planner"]):
        await queue.add(f"task-{number}", float(number), agent=agent)
    assert [t.id for t in await queue.tasks.newest(limit=2)] == ["task-2", "task-1"]
    assert [t.id for t in await queue.tasks.newest(agent="planner")] == ["task-2", "task-0"]
    assert await queue.tasks.open_by_agent() == {"planner": 2, "executor": 1}
    last = await queue.tasks.get("task-2")
    assert last is not None and last.position == 3
