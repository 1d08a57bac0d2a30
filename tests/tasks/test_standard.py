"""The standard workflow from a backlog to review notes, with everything that can go wrong."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.errors import AgentFailed, BadInput, Conflict, NotFound, QueueFull
from sutazai.fleet.work import RunRequest, WorkState
from sutazai.tasks.retire import Keep, retire
from tests.tasks.conftest import Workplace
from tests.tasks.peers import Body, FakeGateway, plan_answer

BACKLOG = ("write the guide", "fix the login", "measure the start")


def staff(gateway: FakeGateway) -> None:
    async def planner(body: Body) -> str:
        return plan_answer("Guide", "Login", "Start")

    async def executor(body: Body) -> str:
        return f"Product for {body['task'].rpartition('/')[2]}."

    async def reviewer(body: Body) -> str:
        return "All good."

    gateway.agents.update(planner=planner, executor=executor, reviewer=reviewer)


async def test_a_backlog_becomes_a_plan_work_products_and_review_notes(
    workplace: Workplace,
) -> None:
    staff(workplace.gateway)
    run = await workplace.run_desk.start(RunRequest(goal="ship it", backlog=BACKLOG))
    assert [step.name for step in run.steps] == ["plan", "review"]
    done = await workplace.ended_run(run.id)

    assert (done.state, done.error, done.notes) == (WorkState.DONE, None, ())
    assert [(step.name, step.agent, step.item) for step in done.steps] == [
        ("plan", "planner", ""),
        ("execute-01", "executor", "Guide"),
        ("execute-02", "executor", "Login"),
        ("execute-03", "executor", "Start"),
        ("review", "reviewer", ""),
    ]
    assert all(step.state is WorkState.DONE and step.attempts == 1 for step in done.steps)
    files = {artifact.name: Path(artifact.path) for artifact in done.artifacts}
    assert sorted(files) == [
        "plan.md",
        "review-notes.md",
        "work/01-guide.md",
        "work/02-login.md",
        "work/03-start.md",
    ]
    assert files["work/02-login.md"].read_text() == "# Login\n\nProduct for execute-02.\n"
    for artifact in done.artifacts:
        data = Path(artifact.path).read_bytes()
        assert (artifact.size, artifact.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    await workplace.until_announced(done)


async def test_the_planner_is_held_to_a_schema_and_everybody_to_a_bound(
    workplace: Workplace,
) -> None:
    staff(workplace.gateway)
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    await workplace.ended_run(run.id)
    planner = workplace.gateway.asked("planner")[0]
    assert planner["schema"]["properties"]["items"]["minItems"] == 3
    assert planner["task"] == f"{run.id}/plan"
    assert "schema" not in workplace.gateway.asked("executor")[0]
    assert [body["max_tokens"] for _, body in workplace.gateway.calls] == [325, 500, 500, 500, 400]
    review = workplace.gateway.asked("reviewer")[0]["input"]
    assert "Product for execute-01." in review and "Product for execute-03." in review


async def test_at_most_two_items_are_worked_on_at_once(workplace: Workplace) -> None:
    staff(workplace.gateway)
    busy, most, two = 0, 0, asyncio.Event()

    async def executor(body: Body) -> str:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        if busy == 2:
            two.set()
        await asyncio.wait_for(two.wait(), 20)
        await asyncio.sleep(0.02)  # so that a third would be seen
        busy -= 1
        return "done"

    workplace.gateway.agents["executor"] = executor
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    await workplace.ended_run(run.id)
    assert most == 2


async def test_a_plan_that_cannot_be_used_gives_way_to_the_backlog_and_the_run_says_so(
    workplace: Workplace,
) -> None:
    staff(workplace.gateway)

    async def babble(body: Body) -> str:
        return '{"items": [{"title": "Gui'

    workplace.gateway.agents["planner"] = babble
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    done = await workplace.ended_run(run.id)
    assert done.state is WorkState.DONE
    assert [step.item for step in done.steps[1:-1]] == list(BACKLOG)
    assert len(done.notes) == 1 and "the backlog's items are the plan" in done.notes[0]
    plan = workplace.artifacts.read(run.id, "plan.md")
    assert "> Note: the planner's plan was not used because it is not JSON" in plan
    assert len(workplace.gateway.asked("planner")) == 3, "it was asked again, in vain"


async def test_a_goal_alone_is_enough(workplace: Workplace) -> None:
    staff(workplace.gateway)
    run = await workplace.run_desk.start(RunRequest(goal="make tea"))
    done = await workplace.ended_run(run.id)
    assert done.state is WorkState.DONE and len(done.steps) == 5


async def test_a_step_is_tried_again_and_says_how_often(workplace: Workplace) -> None:
    staff(workplace.gateway)
    failures = iter([AgentFailed("no"), AgentFailed("no again")])

    async def planner(body: Body) -> str:
        for failure in failures:
            raise failure
        return plan_answer("Guide", "Login", "Start")

    workplace.gateway.agents["planner"] = planner
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    done = await workplace.ended_run(run.id)
    assert done.state is WorkState.DONE
    assert (done.steps[0].attempts, done.steps[0].error) == (3, None)


async def test_an_empty_answer_is_a_failed_attempt(workplace: Workplace) -> None:
    staff(workplace.gateway)
    answers = iter(["  \n", "Something."])

    async def reviewer(body: Body) -> str:
        return next(answers)

    workplace.gateway.agents["reviewer"] = reviewer
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    done = await workplace.ended_run(run.id)
    assert done.steps[-1].attempts == 2
    assert "Something." in workplace.artifacts.read(run.id, "review-notes.md")


async def test_a_failed_item_fails_the_run_but_not_the_other_items(workplace: Workplace) -> None:
    staff(workplace.gateway)

    async def executor(body: Body) -> str:
        if body["task"].endswith("execute-02"):
            raise AgentFailed("cannot do logins")
        return "done"

    workplace.gateway.agents["executor"] = executor
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    ended = await workplace.ended_run(run.id)
    assert ended.state is WorkState.FAILED and ended.error is not None
    assert ended.error["message"] == "1 of 3 items were not done: cannot do logins"
    assert [step.state for step in ended.steps] == [
        WorkState.DONE,
        WorkState.DONE,
        WorkState.FAILED,
        WorkState.DONE,
        WorkState.DONE,
    ]
    assert ended.steps[2].attempts == 2
    assert (
        "1 items of the plan could not be done" in workplace.gateway.asked("reviewer")[0]["input"]
    )
    assert {a.name for a in ended.artifacts} >= {"work/01-guide.md", "review-notes.md"}


async def test_without_any_work_product_there_is_nothing_to_review(workplace: Workplace) -> None:
    staff(workplace.gateway)

    async def fail(body: Body) -> str:
        raise NotFound("there is no agent executor")

    workplace.gateway.agents["executor"] = fail
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    ended = await workplace.ended_run(run.id)
    assert ended.state is WorkState.FAILED
    assert workplace.gateway.asked("reviewer") == []
    assert ended.steps[-1].state is WorkState.CANCELLED
    assert len(workplace.gateway.asked("executor")) == 3  # hopeless is not tried again


async def test_a_watcher_sees_the_run_end(workplace: Workplace) -> None:
    staff(workplace.gateway)
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    with workplace.progress.watch(run.id) as watch:
        async with asyncio.timeout(60):
            while (seen := await watch.next()).state is not WorkState.DONE:
                pass
    assert seen.steps[-1].state is WorkState.DONE


async def test_a_cancelled_run_stops_at_once_and_keeps_what_it_wrote(workplace: Workplace) -> None:
    staff(workplace.gateway)
    began = asyncio.Event()

    async def executor(body: Body) -> str:
        began.set()
        await asyncio.sleep(60)
        return "never"

    workplace.gateway.agents["executor"] = executor
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    await asyncio.wait_for(began.wait(), 60)
    cancelled = await workplace.run_desk.cancel(run.id)
    assert cancelled.state is WorkState.CANCELLED
    assert [artifact.name for artifact in cancelled.artifacts] == ["plan.md"]
    await workplace.restart()
    await asyncio.sleep(0.1)
    assert (await workplace.run_desk.get(run.id)) == cancelled
    assert len(workplace.gateway.asked("executor")) <= 2
    assert workplace.gateway.asked("reviewer") == []


async def test_a_run_is_resumed_at_the_last_recorded_step(workplace: Workplace) -> None:
    staff(workplace.gateway)
    good = workplace.gateway.agents["executor"]
    stuck = asyncio.Event()

    async def executor(body: Body) -> Any:
        if body["task"].endswith("execute-02"):
            stuck.set()
            await asyncio.sleep(60)
        return await good(body)

    workplace.gateway.agents["executor"] = executor
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    await workplace.run_when(run.id, lambda run: run.steps[-2].state is WorkState.DONE)
    await asyncio.wait_for(stuck.wait(), 60)
    workplace.gateway.agents["executor"] = good
    await workplace.restart()
    done = await workplace.ended_run(run.id)
    assert done.state is WorkState.DONE
    assert len(workplace.gateway.asked("planner")) == 1
    steps = sorted(body["task"].rpartition("/")[2] for body in workplace.gateway.asked("executor"))
    assert steps == ["execute-01", "execute-02", "execute-02", "execute-03"]
    assert [artifact.name for artifact in done.artifacts].count("work/01-guide.md") == 1


async def test_what_has_ended_cannot_be_cancelled(workplace: Workplace) -> None:
    staff(workplace.gateway)
    run = await workplace.run_desk.start(RunRequest(backlog=BACKLOG))
    await workplace.ended_run(run.id)
    with pytest.raises(Conflict):
        await workplace.run_desk.cancel(run.id)
    with pytest.raises(NotFound):
        await workplace.run_desk.cancel("run-unknown")


async def test_a_run_of_nothing_is_refused(workplace: Workplace) -> None:
    for fields in ({}, {"goal": " "}, {"goal": "x" * 20_000}, {"backlog": ("",)}):
        with pytest.raises(BadInput):
            await workplace.run_desk.start(RunRequest.model_validate(fields))


async def test_the_number_of_open_runs_is_bounded(workplace: Workplace) -> None:
    async def planner(body: Body) -> str:
        await asyncio.sleep(60)
        return ""

    workplace.gateway.agents["planner"] = planner
    for _ in range(5):
        await workplace.run_desk.start(RunRequest(goal="g"))
    with pytest.raises(QueueFull):
        await workplace.run_desk.start(RunRequest(goal="g"))


async def test_what_ended_long_ago_is_retired_with_its_files(workplace: Workplace) -> None:
    staff(workplace.gateway)
    runs = [await workplace.run_desk.start(RunRequest(backlog=BACKLOG)) for _ in range(3)]
    for run in runs:
        last = await workplace.ended_run(run.id)
    assert last.ended is not None
    keep = Keep(age=1000.0, runs=1, workflow_age=1000.0, workflows=1)
    parts = (workplace.tasks, workplace.runs, workplace.engine, workplace.artifacts)
    await retire(*parts, now=last.ended + 1, keep=keep)
    assert [run.id for run in await workplace.runs.newest()] == [runs[2].id]
    folders = [path.name for path in (workplace.folder / "artifacts").iterdir()]
    assert folders == [runs[2].id]
    await retire(*parts, now=last.ended + 2000, keep=keep)
    assert await workplace.runs.newest() == []
