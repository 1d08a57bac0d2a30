"""Declared workflows done by real agents' fakes: lists, loops, people, schemas, and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.errors import AgentFailed, BadInput, Conflict, NotFound
from sutazai.fleet.work import Answer, Run, RunRequest, WorkState
from sutazai.fleet.workflows import Workflow
from sutazai.store.database import sqlite_url
from tests.tasks.conftest import Workplace, small_fleet, working
from tests.tasks.peers import Body

ITEMS = {"type": "object", "properties": {"items": {"type": "array"}}, "required": ["items"]}
VERDICT = {
    "type": "object",
    "properties": {"good": {"type": "boolean"}, "comments": {"type": "string"}},
    "required": ["good"],
}
WORKFLOWS: dict[str, list[dict[str, Any]]] = {
    "book": [
        {"name": "plan", "agent": "planner", "input": "Plan ${input}.", "schema": ITEMS},
        {
            "name": "write",
            "agent": "executor",
            "map": "${steps.plan.output.items}",
            "input": "Write ${item}.",
            "artifact": "chapters/${number}-${item}.md",
        },
        {"name": "bind", "agent": "helper", "input": {"chapters": "${steps.write.output}"}},
    ],
    "careful": [
        {"name": "draft", "agent": "executor", "input": "${steps.review.output.comments}"},
        {
            "name": "review",
            "agent": "reviewer",
            "input": "${steps.draft.output}",
            "schema": VERDICT,
            "retries": 1,
            "repeat": {"from": "draft", "until": "${steps.review.output.good}", "max": 3},
        },
        {"name": "sign", "approval": "Publish ${steps.draft.output}?"},
        {
            "name": "publish",
            "capability": "translate",
            "input": "${steps.draft.output}",
            "when": "${steps.sign.output.comment} != 'keep it'",
        },
    ],
    "patient": [{"name": "sign", "approval": "Well?", "timeout": "50ms"}],
    "loose": [
        {"name": "plan", "agent": "planner", "input": 1},
        {"name": "use", "agent": "helper", "input": "${steps.plan.output.items}"},
    ],
}


@pytest.fixture
async def workplace(tmp_path: Path) -> AsyncIterator[Workplace]:
    declared = {
        name: Workflow.model_validate({"steps": steps}) for name, steps in WORKFLOWS.items()
    }
    fleet = small_fleet().model_copy(update={"workflows": declared})
    async with working(tmp_path, sqlite_url(tmp_path / "store.sqlite"), fleet) as place:
        yield place


def staff(workplace: Workplace, **agents: Callable[[Body], Any]) -> None:
    for name, behaviour in agents.items():

        async def work(body: Body, behaviour: Callable[[Body], Any] = behaviour) -> Any:
            return behaviour(body)

        workplace.gateway.agents[name] = work


def shown(run: Run) -> list[tuple[str, str, str]]:
    return [(step.name, step.agent, step.state.value) for step in run.steps]


async def waiting(workplace: Workplace, run_id: str) -> Run:
    return await workplace.run_when(
        run_id, lambda run: any(step.state is WorkState.WAITING for step in run.steps)
    )


async def test_a_list_becomes_steps_beside_each_other_and_files(workplace: Workplace) -> None:
    staff(
        workplace,
        planner=lambda body: '{"items": ["Tea", "Cake"]}',
        executor=lambda body: body["input"].upper(),
        helper=lambda body: body["input"],
    )
    run = await workplace.run_desk.start(RunRequest(workflow="book", input="a feast"))
    assert shown(run) == [
        ("plan", "planner", "pending"),
        ("write", "executor", "pending"),
        ("bind", "helper", "pending"),
    ]
    done = await workplace.ended_run(run.id)
    assert shown(done) == [
        ("plan", "planner", "done"),
        ("write[1]", "executor", "done"),
        ("write[2]", "executor", "done"),
        ("bind", "helper", "done"),
    ]
    assert [step.item for step in done.steps] == ["", "Tea", "Cake", ""]
    assert (done.state, done.workflow, done.goal) == (WorkState.DONE, "book", "book a feast")
    files = {artifact.name: Path(artifact.path).read_text() for artifact in done.artifacts}
    assert files == {"chapters/01-tea.md": "WRITE TEA.", "chapters/02-cake.md": "WRITE CAKE."}
    [bound] = workplace.gateway.asked("helper")
    assert bound["input"] == {"chapters": ["WRITE TEA.", "WRITE CAKE."]}
    [planned] = workplace.gateway.asked("planner")
    assert (planned["schema"], planned["task"]) == (ITEMS, f"{run.id}/plan")
    await workplace.until_announced(done)


async def test_rounds_until_it_is_good_then_a_person_then_the_rest(workplace: Workplace) -> None:
    verdicts = iter([{"good": False, "comments": "longer"}, "good!", {"good": True}])
    staff(
        workplace,
        executor=lambda body: f"draft ({body['input'] or 'first'})",
        reviewer=lambda body: next(verdicts),
        anna=lambda body: "out",
        bert=lambda body: "out",
    )
    run = await workplace.run_desk.start(RunRequest(workflow="careful"))
    asking = await waiting(workplace, run.id)
    assert shown(asking) == [
        ("draft", "executor", "done"),
        ("review", "reviewer", "done"),
        ("draft#2", "executor", "done"),
        ("review#2", "reviewer", "done"),
        ("sign", "a person", "waiting"),
        ("publish", "any with translate", "pending"),
    ]
    assert asking.steps[3].attempts == 2, "an answer of another form was a failed attempt"
    assert asking.steps[4].item == "Publish draft (longer)?"

    await workplace.restart()
    await waiting(workplace, run.id)
    await workplace.run_desk.answer(run.id, "sign", Answer(approved=True, comment="fine"))
    done = await workplace.ended_run(run.id)
    assert (done.state, done.error) == (WorkState.DONE, None)
    decision = done.steps[4].decision
    assert decision is not None and (decision.approved, decision.comment) == (True, "fine")
    assert [
        body["input"] for name, body in workplace.gateway.calls if name in ("anna", "bert")
    ] == ["draft (longer)"]
    with pytest.raises(Conflict, match="does not wait for an answer: it is done"):
        await workplace.run_desk.answer(run.id, "sign", Answer(approved=True))
    with pytest.raises(NotFound, match="has no step 'sing'"):
        await workplace.run_desk.answer(run.id, "sing", Answer(approved=True))


@pytest.mark.parametrize(
    ("answer", "state", "last"),
    [
        (Answer(approved=True, comment="keep it"), WorkState.DONE, "done"),
        (Answer(approved=False, comment="never"), WorkState.FAILED, "cancelled"),
    ],
)
async def test_what_a_person_says_decides(
    workplace: Workplace, answer: Answer, state: WorkState, last: str
) -> None:
    staff(workplace, executor=lambda body: "draft", reviewer=lambda body: {"good": True})
    run = await workplace.run_desk.start(RunRequest(workflow="careful"))
    await waiting(workplace, run.id)
    await workplace.run_desk.answer(run.id, "sign", answer)
    done = await workplace.ended_run(run.id)
    assert (done.state, done.steps[-1].state.value) == (state, last)
    if answer.approved:
        assert done.steps[-1].item == "skipped: its condition does not hold"
    else:
        assert done.error is not None
        assert done.error["message"] == "step `sign` was rejected: never"


async def test_a_person_may_have_a_deadline(workplace: Workplace) -> None:
    run = await workplace.run_desk.start(RunRequest(workflow="patient"))
    done = await workplace.ended_run(run.id)
    assert done.state is WorkState.FAILED
    assert (done.steps[0].error or {})["code"] == "DeadlineExceeded"


async def test_a_run_that_waits_for_a_person_can_be_cancelled(workplace: Workplace) -> None:
    staff(workplace, executor=lambda body: "draft", reviewer=lambda body: {"good": True})
    run = await workplace.run_desk.start(RunRequest(workflow="careful"))
    await waiting(workplace, run.id)
    await workplace.run_desk.cancel(run.id)
    done = await workplace.run_desk.get(run.id)
    assert (done.state, done.steps[-1].state) == (WorkState.CANCELLED, WorkState.CANCELLED)


async def test_what_fails_or_does_not_fit_ends_the_run_and_says_why(workplace: Workplace) -> None:
    def refuse(body: Body) -> Any:
        raise AgentFailed("no tea")

    staff(workplace, planner=lambda body: "a text", executor=refuse, helper=lambda body: 1)
    run = await workplace.run_desk.start(RunRequest(workflow="book"))
    done = await workplace.ended_run(run.id)
    assert done.error is not None
    assert "step `plan` failed: what planner gave does not fit" in done.error["message"]

    staff(workplace, planner=lambda body: {"items": ["tea"]})
    run = await workplace.run_desk.start(RunRequest(workflow="book"))
    done = await workplace.ended_run(run.id)
    assert done.error is not None
    assert done.error["message"] == "1 of 1 items of step `write` failed: no tea"
    assert done.steps[-1].state is WorkState.CANCELLED

    run = await workplace.run_desk.start(RunRequest(workflow="loose"))
    done = await workplace.ended_run(run.id)
    error = done.steps[-1].error or {}
    assert done.state is WorkState.DONE, error  # what planner gave has `items`
    staff(workplace, planner=lambda body: {"things": []})
    run = await workplace.run_desk.start(RunRequest(workflow="loose"))
    done = await workplace.ended_run(run.id)
    error = done.steps[-1].error or {}
    assert (done.steps[-1].state, error["code"]) == (WorkState.FAILED, "BadInput")
    assert error["hint"] == "`steps.plan.output` is an object with 'things'"


async def test_a_list_of_nothing_needs_no_work(workplace: Workplace) -> None:
    staff(workplace, planner=lambda body: {"items": []}, helper=lambda body: body["input"])
    run = await workplace.run_desk.start(RunRequest(workflow="book"))
    done = await workplace.ended_run(run.id)
    assert done.state is WorkState.DONE
    assert (done.steps[1].name, done.steps[1].item) == ("write", "no items")
    assert workplace.gateway.asked("helper")[0]["input"] == {"chapters": []}


async def test_it_goes_on_as_it_was_declared_when_it_began(workplace: Workplace) -> None:
    stuck = asyncio.Event()

    async def think(body: Body) -> Any:
        stuck.set()
        await asyncio.sleep(60)

    workplace.gateway.agents["planner"] = think
    run = await workplace.run_desk.start(RunRequest(workflow="loose"))
    await asyncio.wait_for(stuck.wait(), 60)
    workplace.fleet = workplace.fleet.model_copy(update={"workflows": {}})
    staff(workplace, planner=lambda body: {"items": [1]}, helper=lambda body: body["input"])
    await workplace.restart()
    assert (await workplace.ended_run(run.id)).state is WorkState.DONE
    with pytest.raises(NotFound, match="no workflow 'loose'"):
        await workplace.run_desk.start(RunRequest(workflow="loose"))


async def test_each_workflow_takes_what_is_its_own(workplace: Workplace) -> None:
    with pytest.raises(BadInput, match="takes `input`"):
        await workplace.run_desk.start(RunRequest(workflow="book", goal="a feast"))
    with pytest.raises(BadInput, match="no input"):
        await workplace.run_desk.start(RunRequest(goal="a feast", input=1))
    with pytest.raises(BadInput, match="bytes long"):
        await workplace.run_desk.start(RunRequest(workflow="book", input="x" * 300_000))
