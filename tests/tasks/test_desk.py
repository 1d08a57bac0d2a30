"""The face of the queue: targets, batches, files, dead letters, and what a person is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sutazai.fleet.errors import AgentFailed, BadInput, Conflict, DiskFull, NotFound
from sutazai.fleet.work import TaskRequest, WorkState
from sutazai.store import Wanted
from sutazai.tasks.checking import INPUT_MAX
from sutazai.tasks.disk import check_room
from tests.tasks.conftest import Workplace
from tests.tasks.peers import Body


async def echo(body: Body) -> Any:
    return body["input"]


async def refuse(body: Body) -> Any:
    raise AgentFailed("it cannot")


async def test_work_for_a_capability_is_shared_by_those_who_have_it(workplace: Workplace) -> None:
    both, there = asyncio.Event(), set()

    async def translate(name: str) -> str:
        there.add(name)
        if len(there) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 60)
        return name

    workplace.gateway.agents["anna"] = lambda body: translate("anna")
    workplace.gateway.agents["bert"] = lambda body: translate("bert")
    request = TaskRequest(capability="translate", input="hello")
    given = [await workplace.task_desk.submit(request) for _ in range(2)]
    ended = [await workplace.task_desk.wait(task.id, 60) for task in given]
    assert {task.agent for task in ended} == {task.output for task in ended} == {"anna", "bert"}


async def test_a_run_stays_with_the_agent_that_began_it(workplace: Workplace) -> None:
    workplace.gateway.agents.update(anna=echo, bert=echo)
    request = TaskRequest(group="language", input=1, run="r")
    agents = set()
    for _ in range(4):
        task = await workplace.task_desk.submit(request)
        agents.add((await workplace.task_desk.wait(task.id, 60)).agent)
    assert len(agents) == 1


async def test_a_batch_is_done_in_its_order_or_not_taken_at_all(workplace: Workplace) -> None:
    workplace.gateway.agents["helper"] = echo
    third = TaskRequest(agent="helper", input=3, depends_on=("two",))
    second = TaskRequest(agent="helper", input=2, idempotency_key="two", depends_on=("one",))
    first = TaskRequest(agent="helper", input=1, idempotency_key="one")
    tasks = await workplace.task_desk.submit_all([third, second, first])
    assert [task.input for task in tasks] == [3, 2, 1]
    assert all(task.expires is None for task in tasks)
    await workplace.task_desk.wait(tasks[0].id, 60)
    assert [body["input"] for body in workplace.gateway.asked("helper")] == [1, 2, 3]

    wrong = TaskRequest(agent="nobody", input=1)
    with pytest.raises(NotFound, match="no agent 'nobody'"):
        await workplace.task_desk.submit_all([first.model_copy(update={"input": 9}), wrong])
    circle = first.model_copy(update={"depends_on": ("two",)})
    with pytest.raises(BadInput, match="in a circle"):
        await workplace.task_desk.submit_all([circle, second])


async def test_an_open_copy_is_taken_for_the_task(workplace: Workplace) -> None:
    gate = asyncio.Event()

    async def wait(body: Body) -> Any:
        await gate.wait()
        return body["input"]

    workplace.gateway.agents["helper"] = wait
    request = TaskRequest(agent="helper", input={"q": 1}, dedup=True)
    first = await workplace.task_desk.submit(request)
    assert (await workplace.task_desk.submit(request)).id == first.id
    other = await workplace.task_desk.submit(request.model_copy(update={"input": {"q": 2}}))
    assert other.id != first.id
    gate.set()
    await workplace.task_desk.wait(first.id, 60)
    assert (await workplace.task_desk.submit(request)).id != first.id


async def test_a_file_is_read_when_its_task_is_done(workplace: Workplace) -> None:
    workplace.gateway.agents["helper"] = echo
    await asyncio.to_thread(workplace.artifacts.write, "run-1", "notes.md", "what is in it")
    task = await workplace.task_desk.submit(TaskRequest(agent="helper", file="run-1/notes.md"))
    assert (await workplace.task_desk.wait(task.id, 60)).output == "what is in it"
    (workplace.folder / "secret").write_text("not for agents")
    for name in ("../secret", "run-1/none.md", "/etc/passwd", "run-1"):
        with pytest.raises(BadInput, match="no file"):
            await workplace.task_desk.submit(TaskRequest(agent="helper", file=name))


async def test_what_is_too_long_or_unknown_is_refused(workplace: Workplace) -> None:
    with pytest.raises(BadInput, match="allowed"):
        await workplace.task_desk.submit(TaskRequest(agent="helper", input="x" * INPUT_MAX))
    with pytest.raises(NotFound, match="capability 'translat'") as caught:
        await workplace.task_desk.submit(TaskRequest(capability="translat", input=1))
    assert "translate" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"agent": "a", "group": "b"},
        {"agent": "a", "file": "f", "input": 1},
        {"agent": "a", "input": 1, "delay": 1, "not_before": 2},
    ],
)
def test_a_request_says_one_thing(wish: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TaskRequest.model_validate({"input": 1, **wish} if wish == {} else wish)


async def test_a_failed_attempt_is_made_again_as_often_as_asked(workplace: Workplace) -> None:
    answers = iter([refuse, refuse, echo])

    async def moody(body: Body) -> Any:
        return await next(answers)(body)

    workplace.gateway.agents["helper"] = moody
    request = TaskRequest(agent="helper", input=1, retries=2, backoff=0.01)
    task = await workplace.task_desk.submit(request)
    done = await workplace.task_desk.wait(task.id, 60)
    assert (done.state, done.attempt) == (WorkState.DONE, 3)
    endings = [(attempt.error or {}).get("message") for attempt in done.attempts]
    assert endings == ["it cannot", "it cannot", None]
    assert done.attempts[-1].instance == "helper.0"


async def test_a_dead_letter_is_found_replayed_and_dropped(workplace: Workplace) -> None:
    workplace.gateway.agents["helper"] = refuse
    given = [
        await workplace.task_desk.submit(TaskRequest(agent="helper", input=n)) for n in range(3)
    ]
    for task in given:
        await workplace.task_desk.wait(task.id, 60)
    dead = workplace.office.dead
    found = await dead.find(Wanted(agent="helper", kind="AgentFailed"), limit=10)
    assert {task.id for task in found} == {task.id for task in given}
    assert (await dead.get(given[0].id)).reason == "it cannot"

    workplace.gateway.agents["helper"] = echo
    assert (await workplace.task_desk.retry(given[0].id)).state is WorkState.PENDING
    again = await workplace.task_desk.wait(given[0].id, 60)
    assert (again.state, again.attempt) == (WorkState.DONE, 2)
    with pytest.raises(Conflict, match="cannot be tried again: it is done"):
        await workplace.task_desk.retry(given[0].id)
    with pytest.raises(NotFound, match="no dead letter"):
        await dead.get(given[0].id)
    assert await dead.forget(given[1].id) == 1
    assert await dead.replay(Wanted()) == [given[2].id]
    assert (await workplace.task_desk.wait(given[2].id, 60)).state is WorkState.DONE
    assert await dead.drop(Wanted()) == 0


async def test_a_task_that_waits_says_for_what(workplace: Workplace) -> None:
    gate = asyncio.Event()

    async def wait(body: Body) -> Any:
        await gate.wait()

    workplace.gateway.agents["anna"] = wait
    request = TaskRequest(agent="anna", input=1)
    first = await workplace.task_desk.submit(request)
    second = await workplace.task_desk.submit(request.model_copy(update={"input": 2}))
    async with asyncio.timeout(60):
        while not workplace.gateway.calls:
            await asyncio.sleep(0.01)
    running = await workplace.task_desk.get(first.id)
    assert (running.state, running.agent, running.attempt) == (WorkState.RUNNING, "anna", 1)
    assert (running.executor or "").startswith("control-")
    waiting = await workplace.task_desk.get(second.id)
    assert (waiting.state, waiting.position) == (WorkState.PENDING, 1)
    assert waiting.reason == "anna works on 1 task, its bound"
    delayed = await workplace.task_desk.submit(request.model_copy(update={"delay": 60.0}))
    assert (delayed.state, delayed.reason) == (WorkState.WAITING, "its time has not come")
    gate.set()


def test_a_full_disk_is_noticed_before_it_is_quite_full(tmp_path: Path) -> None:
    check_room(tmp_path)
    with pytest.raises(DiskFull, match="no new work is taken"):
        check_room(tmp_path, spare=2**62)
