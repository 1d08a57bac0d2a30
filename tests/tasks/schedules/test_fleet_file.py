"""What is wrong with a schedule is found in the fleet file, with its place and what to do."""

from __future__ import annotations

import pytest

from sutazai.fleet.errors import BadFleet
from sutazai.fleet.spec import Fleet
from tests.fleet.fleets import found, loaded

FLEET = "name: x\nagents: {anna: {capabilities: [sing]}}\nschedules:\n  s: {%s}\n"
TASK = "task: {agent: anna, input: x}"
RUN = "run: {goal: g}"
NIGHTLY = 'cron: "0 2 * * *"'


def place(text: str, at: str) -> str:
    """Line and column at which ``at`` stands in the schedule."""
    return f"4:{(FLEET % text).splitlines()[3].index(at) + 1}"


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        (f'cron: "61 2 * * *", {TASK}', '"61', "the minute cannot be read"),
        (f'cron: "0 2 * *", {TASK}', '"0', "expected five fields"),
        (f'cron: "0 2 31 2 *", {TASK}', '"0', "the day-of-month cannot be read"),
        (f'cron: "0 2 */20 * 1L", {TASK}', '"0', "no day of the next 50 years"),
        (f"{NIGHTLY}, {TASK}, between: 22-6", "22-6", "22:00-06:00"),
        (f'{NIGHTLY}, {TASK}, between: "06:00-06:00"', '"06', "the same time"),
        (f"{NIGHTLY}, {TASK}, jitter: 5", "5}", "units"),
        (f"{NIGHTLY}, {TASK}, missed: all", "all", "needs `overlap: queue`"),
        (NIGHTLY, "s: ", "either `task` or `run`"),
        (f"{NIGHTLY}, {TASK}, {RUN}", "{agent", "either `task` or `run`"),
        (NIGHTLY + ', run: {goal: ""}', '""', "a `goal` or a `backlog`"),
        (NIGHTLY + ", run: {workflow: w, goal: g}", "w,", "takes `input`"),
        (NIGHTLY + ", task: {agent: anna}", "task", "either `input` or `file`"),
        (
            NIGHTLY + ", task: {agent: anna, group: agents, input: x}",
            "anna",
            "exactly one of `agent`, `capability` and `group`",
        ),
    ],
)
def test_what_cannot_be_meant(text: str, at: str, words: str) -> None:
    with pytest.raises(BadFleet) as caught:
        loaded(FLEET % text)
    assert f":{place(text, at)}: " in caught.value.message
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "at", "words", "hint"),
    [
        (f"timezone: berlin, {TASK}", "berlin", "no time zone `berlin`", "`Europe/Berlin`"),
        (f"timezone: Europe/Berlim, {TASK}", "Europe", "no time zone", "`Europe/Berlin`"),
        (f"timezone: nowhere, {TASK}", "nowhere", "no time zone", "write it as"),
        ("task: {agent: ana, input: x}", "ana,", "no agent `ana`", "did you mean `anna`?"),
        ("task: {capability: sin, input: x}", "sin,", "the capability `sin`", "`sing`"),
        ("task: {group: choir, input: x}", "choir", "the group `choir`", "declare it"),
        ("run: {goal: g}", "{goal", "no agent `planner`", "needs planner, executor, reviewer"),
        ("run: {workflow: sing, input: x}", "sing", "no workflow `sing`", "`workflows`"),
    ],
)
def test_what_the_fleet_does_not_have(text: str, at: str, words: str, hint: str) -> None:
    text = f"{NIGHTLY}, {text}"
    (problem,) = found(FLEET % text)
    assert f"{problem.line}:{problem.column}" == place(text, at)
    assert words in problem.message
    assert hint in (problem.hint or "")


def test_a_schedule_is_the_same_after_it_was_stored() -> None:
    task = "task: {group: agents, file: run-1/plan.md, deadline: 2h}"
    fleet = loaded(FLEET % f'{NIGHTLY}, {task}, jitter: 5m, between: "22:00-06:00"').fleet
    assert Fleet.model_validate_json(fleet.model_dump_json(by_alias=True)) == fleet
