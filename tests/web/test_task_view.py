"""What a task's page says: why it stands where it does, and where its time went."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sutazai.client import Control
from sutazai.fleet.errors import NotFound, Unavailable
from sutazai.fleet.places import Places
from sutazai.fleet.traces import ModelCall, Span
from sutazai.fleet.work import Attempt, Task, WorkState
from sutazai.observe.traces.assembling import trace_of
from sutazai.web.look import pieces
from sutazai.web.look.waterfall import ROWS, waterfall
from sutazai.web.pages import task as shown
from sutazai.wire import Address, Client
from tests.cli.fake_control import TOKEN, FakeControl
from tests.web.tags import Tags

HOSTILE = "<script>alert('x')</script>\"'&"
FAILED = {
    "code": "AgentFailed",
    "message": HOSTILE,
    "hint": HOSTILE,
    "data": {"exit": HOSTILE, "lines": [HOSTILE, "second line"]},
}


def task_in(state: WorkState, **more: object) -> Task:
    ended = None if state.is_open else 20.0
    fields = {"id": "task-1", "agent": "echo", "state": state, "created": 0.0, "ended": ended}
    return Task.model_validate({**fields, **more})


def tried(number: int, ended: float | None, error: object = None) -> Attempt:
    fields = {"number": number, "agent": "echo", "executor": "e", "started": 4.0 * number}
    return Attempt.model_validate({**fields, "ended": ended, "error": error})


def call(at: float, *, caller: str = "echo") -> ModelCall:
    return ModelCall(
        at=at,
        caller=caller,
        model="tiny",
        backend="local",
        outcome="done",
        queued=1.0,
        first_token=1.5,
        total=3.0,
    )


def hostile() -> Task:
    """A task of which everything that others wrote is an attack."""
    return task_in(
        WorkState.FAILED,
        id=HOSTILE,
        agent=None,
        capability=HOSTILE,
        input={HOSTILE: HOSTILE},
        reason=HOSTILE,
        attempts=(tried(1, 6.0, FAILED).model_copy(update={"instance": HOSTILE}),),
        depends_on=(HOSTILE,),
        error=FAILED,
        executor=HOSTILE,
    )


def test_hostile_texts_stay_texts() -> None:
    task = hostile()
    trace = trace_of(task, [call(4.5, caller=HOSTILE)], note=HOSTILE)

    for part in (
        shown.head_html(task),
        shown.given_html(task),
        shown.given_html(task.model_copy(update={"file": HOSTILE})),
        shown.came_html(task),
        shown.came_html(task_in(WorkState.DONE, output=HOSTILE)),
        shown.attempts_html(task),
        shown.times_html(task, trace, now=30.0),
    ):
        assert "script" not in Tags(part).names
        assert any("<script>" in text for text in Tags(part).texts)
    assert "<script>" not in shown.buttons_html(task)


@pytest.mark.parametrize("state", list(WorkState))
def test_every_state_is_said_in_words(state: WorkState) -> None:
    assert shown.standing(task_in(state)) == f"{shown.STANDS[state]}."


def test_the_reason_and_the_place_in_the_queue_are_told() -> None:
    queued = task_in(WorkState.PENDING, position=3, reason="planner is stopped")
    lost = task_in(WorkState.FAILED, error={"message": "it died"})

    assert shown.standing(queued) == "It is in the queue, number 3: planner is stopped."
    assert shown.standing(lost) == "It failed, and is not tried again: it died."


@pytest.mark.parametrize(
    ("states", "button"),
    [
        ((WorkState.WAITING, WorkState.PENDING, WorkState.RUNNING), "cancel"),
        ((WorkState.FAILED, WorkState.EXPIRED, WorkState.SHED), "replay"),
        ((WorkState.CANCELLED,), "retry"),
    ],
)
def test_what_can_be_done_follows_from_the_state(
    states: tuple[WorkState, ...], button: str
) -> None:
    for state in states:
        html = shown.buttons_html(task_in(state))
        assert re.findall('data-do="(.*?)"', html) == [button]
    assert shown.buttons_html(task_in(WorkState.DONE)) == ""


def test_who_was_asked_for_and_who_got_it() -> None:
    free = task_in(WorkState.PENDING, agent=None, group="writers")
    got = task_in(WorkState.RUNNING, capability="review", run="run-7", depends_on=("task-0",))

    assert "group writers, nobody has it yet" in shown.head_html(free)
    head = shown.head_html(got)
    assert "capability review: " in head
    for way in ("/agents/echo", "/work/runs/run-7", "/tasks/task-0"):
        assert f'href="{way}"' in head


def test_attempts_are_told_with_what_the_agent_said_last() -> None:
    attempts = (tried(2, 9.5, FAILED), tried(3, None))
    html = shown.attempts_html(task_in(WorkState.RUNNING, attempts=attempts))

    assert "its last log lines" in html
    assert "second line" in html
    assert "it goes on" in html
    assert "1 earlier ones are forgotten" in html


def test_long_values_are_folded_and_very_long_ones_cut() -> None:
    assert "<details>" not in pieces.value({"a": 1}, "input")
    assert "<summary>input, 1,001 characters</summary>" in pieces.value("x" * 1_001, "input")
    most = pieces.value("x" * 300_000, "output")
    assert "the first 100,000 of 300,000 characters" in most
    assert len(most) < 101_000


def test_every_span_has_its_start_its_length_and_a_bar() -> None:
    task = task_in(WorkState.DONE, attempts=(tried(1, 20.0),))
    html = shown.times_html(task, trace_of(task, [call(8.0)]), now=99.0)
    told = [text for text in Tags(html).texts if text.strip()]

    assert told[told.index("waits") :][:3] == ["waits", "0ms", "4s"]
    assert told[told.index("echo asks tiny on local") :][1:3] == ["8s", "3s"]
    assert told[told.index("waits in the queue") :][1:3] == ["8s", "1s"]
    assert html.count('<th scope="row"') == html.count('aria-hidden="true"') == 7
    assert "margin-left:40.00%;width:15.00%" in html  # the call, from 8 to 11 of 20 seconds
    assert "so far" not in html
    assert 'class="faint"' not in html


def test_what_goes_on_has_taken_so_long_by_now() -> None:
    task = task_in(WorkState.RUNNING, attempts=(tried(1, None),))
    html = shown.times_html(task, trace_of(task, []), now=10.0)

    assert "6s so far" in html
    assert "margin-left:40.00%;width:60.00%" in html
    assert "No call to a model is known" in html


def test_a_task_that_nobody_began_says_so() -> None:
    task = task_in(WorkState.PENDING)

    assert "Nobody has worked on it" in shown.times_html(task, trace_of(task, []), now=1.0)


def test_clocks_that_differ_draw_no_bar_outside() -> None:
    early = Span(name="early", started=-5.0, ended=-6.0)
    html = waterfall(Span(name="t", started=0.0, ended=0.0, spans=(early,)), now=0.0)

    assert "-" not in "".join(re.findall(r"margin-left:(.*?);width:(.*?)\"", html)[1])
    assert "-" not in "".join(Tags(html).texts)


def test_a_long_trace_ends_somewhere() -> None:
    calls = [Span(name="a call", started=0.0, ended=1.0)] * (ROWS + 10)
    html = waterfall(Span(name="t", started=0.0, ended=1.0, spans=tuple(calls)), now=1.0)

    assert html.count("<tr>") == ROWS + 1
    assert f"Only the first {ROWS} are shown" in html


@pytest.fixture
def fake() -> Iterator[FakeControl]:
    with FakeControl() as running:
        yield running


@pytest.fixture
async def watch(fake: FakeControl, tmp_path: Path) -> AsyncIterator[shown.Watch]:
    async with Client() as client:
        address = Address.parse(f"http://127.0.0.1:{fake.port}")
        control = Control(client, address, TOKEN, Places.of(tmp_path))
        yield shown.Watch(control, "task-1")


async def test_what_goes_on_is_looked_at_each_time_and_what_ended_seldom(
    fake: FakeControl, watch: shown.Watch
) -> None:
    for task in (task_in(WorkState.RUNNING), task_in(WorkState.FAILED, error=FAILED)):
        fake.asked.clear()
        fake.json("GET /tasks/task-1", task.model_dump(mode="json"))
        fake.json("GET /tasks/task-1/trace", trace_of(task, []).model_dump(mode="json"))
        looks = [(await watch.facts(), await watch.times()) for _ in range(shown.SELDOM)]
        assert task.state in looks[-1][0][0]
        assert "waterfall" in looks[-1][1]
        assert len(fake.asked) == (2 * shown.SELDOM if task.state.is_open else 2)


async def test_calls_that_are_recorded_late_are_seen(fake: FakeControl, watch: shown.Watch) -> None:
    task = task_in(WorkState.DONE, ended=time.time(), attempts=(tried(1, 8.0),))
    fake.json("GET /tasks/task-1", task.model_dump(mode="json"))
    for calls in ([], [call(5.0)]):
        fake.json("GET /tasks/task-1/trace", trace_of(task, calls).model_dump(mode="json"))
        await watch.facts()
        assert ("asks tiny" in await watch.times()) is bool(calls)


async def test_a_trace_that_cannot_be_had_leaves_the_rest(
    fake: FakeControl, watch: shown.Watch
) -> None:
    fake.json("GET /tasks/task-1", task_in(WorkState.RUNNING).model_dump(mode="json"))
    fake.refuse("GET /tasks/task-1/trace", Unavailable("no trace today"))

    assert shown.STANDS[WorkState.RUNNING] in (await watch.facts())[0]
    with pytest.raises(Unavailable):
        await watch.times()


async def test_a_task_that_is_gone_is_told_as_control_tells_it(watch: shown.Watch) -> None:
    with pytest.raises(NotFound):
        await watch.facts()
    assert await watch.times() == ""


def test_it_says_why_calls_to_models_are_missing() -> None:
    task = task_in(WorkState.DONE, attempts=(tried(1, 8.0),))
    why = "its calls to models cannot be had: the gateway is away"

    assert why in shown.times_html(task, trace_of(task, (), note=why), now=9.0)
