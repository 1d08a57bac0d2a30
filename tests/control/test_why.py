"""Why an agent is in its state, told in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from sutazai.control.why import Known, why
from sutazai.fleet.desired import Kind
from sutazai.fleet.spec import Agent, Runtime, Temperature
from sutazai.fleet.status import AgentStatus, Event, Exit, InstanceStatus, State

NOON = datetime(2026, 5, 4, 12, 0, 0).timestamp()


def told(
    state: State,
    *,
    spec: Agent | None = None,
    temperature: Temperature = Temperature.HOT,
    reason: str = "",
    instances: Sequence[InstanceStatus] = (),
    last_exit: Exit | None = None,
    events: Sequence[Event] = (),
    since: float = NOON,
) -> str:
    status = AgentStatus(
        name="echo",
        kind=Kind.AGENT,
        runtime=(spec or Agent()).runtime,
        temperature=temperature,
        state=state,
        reason=reason,
        since=since,
        instances=tuple(instances),
        last_exit=last_exit,
    )
    return why(Known(status=status, spec=spec or Agent(), events=events, now=NOON + 60))


def instance(state: State, **more: Any) -> InstanceStatus:
    return InstanceStatus(instance="echo-1", pid=7, state=state, since=NOON, version="v", **more)


def ends(*times: float, kind: str = "ended") -> list[Event]:
    """The host's words on as many ends in a row."""
    return [
        Event(
            sequence=number,
            at=at,
            source="host",
            kind=kind if number == len(times) else "ended",
            unit="echo",
            message="",
            data={"ends_in_a_row": number},
        )
        for number, at in enumerate(times, 1)
    ]


def test_who_sleeps_is_waiting_for_a_call() -> None:
    warm = told(State.ASLEEP, temperature=Temperature.WARM)
    last = Exit(instance="echo-1", at=NOON, status=1, reason="exited with status 1")
    cold = told(State.ASLEEP, temperature=Temperature.COLD, reason=last.reason, last_exit=last)

    assert warm == "warm: nobody has asked for it since 12:00:00; the next call wakes it"
    assert cold == (
        "cold: nobody has asked for it since 12:00:00; the next call starts it; "
        "its last instance exited with status 1"
    )


def test_another_day_is_told_with_its_date() -> None:
    assert "since 2026-05-03 12:00:00;" in told(
        State.ASLEEP, temperature=Temperature.COLD, since=NOON - 86400
    )


def test_who_was_suspended_for_want_of_memory_says_so() -> None:
    reason = "suspended, memory is short (critical: 87 % in use)"

    assert told(State.ASLEEP, reason=reason) == f"{reason}, at 12:00:00; the next call wakes it"


def test_a_hot_one_that_sleeps_has_no_replicas() -> None:
    assert told(State.ASLEEP) == "the fleet file wants no instance of it (`replicas: 0`)"


def test_failing_tells_how_often_how_fast_and_the_last_words() -> None:
    last = Exit(instance="echo-5", at=NOON, status=1, reason="exited with status 1",
                lines=("one", "two", "no such table"))  # fmt: skip

    sentence = told(
        State.FAILED, last_exit=last, events=ends(NOON - 40, NOON - 30, NOON, kind="failed")
    )

    assert sentence == (
        "ended 3 times within 40s, last at 12:00:00: exited with status 1; it is left alone until "
        "`sutazai agents start echo`; last lines: two / no such table"
    )


def test_who_backs_off_is_told_when_it_goes_on() -> None:
    last = Exit(instance="echo-3", at=NOON, signal="SIGKILL", reason="killed by SIGKILL")

    sentence = told(State.BACKING_OFF, last_exit=last, events=ends(NOON - 2, NOON - 1, NOON))

    assert sentence == (
        "ended 3 times within 2s, last at 12:00:00: killed by SIGKILL; "
        "it is started again 1s after that"
    )


def test_an_end_of_which_no_event_is_left_is_still_told() -> None:
    assert told(State.FAILED, reason="could not start: no such file").startswith(
        "ended once, last at 12:00:00: could not start: no such file"
    )


def test_health_checks_are_told_with_what_they_lead_to() -> None:
    sick = instance(State.UNHEALTHY, failures=2, trouble="/health answered 500")
    young = instance(State.STARTING)

    assert told(State.UNHEALTHY, reason="/health answered 500", instances=[sick]) == (
        "its health check failed 2 times: /health answered 500; after 3 in a row it is started anew"
    )
    assert told(State.STARTING, instances=[young]) == (
        "its process was started at 12:00:00 and has not passed a health check yet, "
        "for which it has 30s"
    )


def test_who_is_well_says_since_when_and_what_is_known_of_it() -> None:
    well = instance(State.HEALTHY)
    silent = Agent(runtime=Runtime.COMMAND, command=("sleep", "9"))

    assert told(State.HEALTHY, instances=[well]) == (
        "it has run since 12:00:00, and its last health check was good"
    )
    assert told(State.HEALTHY, instances=[well], spec=silent).endswith("nothing tells its health")
    assert told(State.HEALTHY, instances=[well], temperature=Temperature.WARM).endswith(
        "it goes to sleep after 5m without work"
    )


@pytest.mark.parametrize(
    ("state", "spec", "reason", "sentence"),
    [
        (
            State.WAITING,
            Agent(depends_on=("db",)),
            "waits for db",
            "waits for db, and starts by itself after that",
        ),
        (
            State.NOT_INSTALLED,
            Agent(runtime=Runtime.COMMAND, command=("aider",)),
            "aider is not on this machine",
            "aider is not on this machine; once it is installed it is found by itself",
        ),
        (
            State.EXTERNAL,
            Agent(runtime=Runtime.REMOTE, url="http://10.0.0.7:80"),
            "",
            "somebody else runs it, at http://10.0.0.7:80; from here it is called and not watched",
        ),
        (State.STOPPING, Agent(), "", "it was told to end, and has 10s for that"),
        (State.STARTING, Agent(), "", "it is about to be started"),
    ],
)
def test_other_states_tell_what_changes_them(
    state: State, spec: Agent, reason: str, sentence: str
) -> None:
    assert told(state, spec=spec, reason=reason) == sentence


def test_a_stop_is_told_with_its_time_where_that_is_known() -> None:
    asked = Event(sequence=1, at=NOON, source="control", kind="stop", unit="echo", message="")

    assert told(State.STOPPED, events=[asked]) == (
        "stopped by request at 12:00:00, until `sutazai agents start echo`"
    )
    assert told(State.STOPPED).startswith("stopped by request, until")


@pytest.mark.parametrize("state", State)
def test_there_is_a_sentence_for_every_state(state: State) -> None:
    assert told(state)
