"""Hard guards: each trips on what it is for, and blames green only for what green has alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.rollout_criteria import RolloutCriteria
from sutazai.rollout.evidence.tallies import Tally
from sutazai.rollout.guards import Alarm, Cause, Guard, Sight, Signs, alarms, is_burst

WELL = Signs(
    memory=0.5,
    memory_bytes=100,
    requests=Tally(100, 1),
    llm=Tally(200, 2),
    answered=100,
    finished=99,
)
CRITERIA = RolloutCriteria()


def look(green: Signs, blue: Signs = WELL, **facts: bool) -> tuple[Alarm, ...]:
    return alarms(CRITERIA, Sight(green={"planner": green}, blue={"planner": blue}, **facts))


def only(found: tuple[Alarm, ...]) -> Alarm:
    assert len(found) == 1, found
    return found[0]


def test_two_healthy_versions_alarm_nobody() -> None:
    assert look(WELL) == ()


TROUBLES = {
    Guard.CRASH: Signs(crashes=1),
    Guard.OUT_OF_MEMORY: Signs(out_of_memory=1),
    Guard.MEMORY: Signs(memory=0.91),
    Guard.HEALTH_CHECKS: Signs(failed_checks=3),
    Guard.BREAKER_TRIPS: Signs(breaker_trips=4),
    Guard.ERRORS: Signs(requests=Tally(40, 20)),
    Guard.LLM_FAILURES: Signs(llm=Tally(40, 30)),
    Guard.DEAD_CANARY: Signs(answered=20),
}


@pytest.mark.parametrize("guard", TROUBLES)
def test_each_guard_trips_on_what_green_has_alone(guard: Guard) -> None:
    alarm = only(look(TROUBLES[guard]))

    assert (alarm.guard, alarm.agent, alarm.cause) == (guard, "planner", Cause.GREEN)
    assert "planner" in str(alarm) and alarm.borne in str(alarm) and guard in str(alarm)


@pytest.mark.parametrize("guard", [each for each in TROUBLES if each is not Guard.DEAD_CANARY])
def test_what_both_have_is_the_environments(guard: Guard) -> None:
    assert only(look(TROUBLES[guard], TROUBLES[guard])).cause is Cause.ENVIRONMENT


def test_no_task_done_by_either_says_nothing() -> None:
    assert look(Signs(answered=50), Signs(answered=50)) == ()


@pytest.mark.parametrize("guard", [Guard.ERRORS, Guard.LLM_FAILURES, Guard.DEAD_CANARY])
def test_a_dead_llm_is_not_greens_fault(guard: Guard) -> None:
    assert only(look(TROUBLES[guard], llm_down=True)).cause is Cause.ENVIRONMENT


def test_breaker_trips_are_the_llms_where_others_have_a_part_in_half_of_them() -> None:
    green = Signs(breaker_trips=5)
    assert only(look(green, Signs(breaker_trips=2))).cause is Cause.GREEN
    assert only(look(green, Signs(breaker_trips=3))).cause is Cause.ENVIRONMENT
    assert only(look(green, llm_down=True)).cause is Cause.GREEN, "it brings the LLM down"


def test_a_version_that_crashes_without_the_llm_is_at_fault_where_the_old_one_bears_it() -> None:
    assert only(look(Signs(crashes=2), llm_down=True)).cause is Cause.GREEN


def test_a_crash_of_another_blue_agent_excuses_nobody() -> None:
    sight = Sight(green={"a": Signs(crashes=1)}, blue={"a": WELL, "b": Signs(crashes=1)})

    assert only(alarms(CRITERIA, sight)).cause is Cause.GREEN


def test_pressure_is_the_machines_unless_green_holds_more_than_it_may() -> None:
    assert only(look(WELL, host_pressure=True)).cause is Cause.ENVIRONMENT
    alarm = only(look(Signs(memory_bytes=130), host_pressure=True))
    assert (alarm.guard, alarm.cause) == (Guard.HOST_PRESSURE, Cause.GREEN)


def test_what_is_borne_trips_nothing() -> None:
    borne = Signs(memory=0.9, failed_checks=2, breaker_trips=3, requests=Tally(40, 2), answered=4)

    assert look(borne) == ()


@pytest.mark.parametrize(
    ("blue", "borne"),
    [
        (Signs(answered=11, finished=11), 11),
        (Signs(answered=60, finished=60), 4),
        (Signs(answered=60, finished=30), 25),
        (Signs(), 10_000),
        (Signs(answered=60), 10_000),
    ],
)
def test_a_canary_is_dead_where_chance_would_bring_that_once_in_a_million(
    blue: Signs, borne: int
) -> None:
    assert look(Signs(answered=borne), blue) == ()
    if blue.finished:
        alarm = only(look(Signs(answered=borne + 1), blue))
        assert alarm.guard is Guard.DEAD_CANARY and str(blue.finished) in alarm.borne


def test_one_that_finishes_much_less_than_its_old_version_is_found_before_the_statistics() -> None:
    blue = Signs(answered=60, finished=60)
    assert look(Signs(answered=10, finished=6), blue) == ()
    alarm = only(look(Signs(answered=24, finished=12), blue))
    assert (alarm.guard, alarm.cause) == (Guard.TASKS, Cause.GREEN)
    assert "12 of 24" in alarm.seen and "60 of 60" in alarm.borne


def test_one_that_always_left_half_of_its_work_may_go_on_so() -> None:
    assert look(Signs(answered=200, finished=95), Signs(answered=200, finished=105)) == ()


def test_a_small_difference_is_for_the_statistics_however_sure_it_is() -> None:
    blue = Signs(answered=100_000, finished=99_900)
    assert look(Signs(answered=10_000, finished=9_700), blue) == ()


def test_both_versions_of_the_same_agents_are_weighed_when_memory_is_short() -> None:
    sight = Sight(
        green={"a": Signs(memory_bytes=100), "b": Signs(memory_bytes=100)},
        blue={"a": Signs(memory_bytes=100), "b": Signs()},
        host_pressure=True,
    )
    assert only(alarms(CRITERIA, sight)).cause is Cause.ENVIRONMENT, "b's old version is asleep"


def test_a_few_early_failures_are_no_burst() -> None:
    assert not is_burst(Tally(2, 2), 0.05)
    assert not is_burst(Tally(4, 4), 0.05)
    assert is_burst(Tally(5, 5), 0.05)
    assert is_burst(Tally(10_000, 700), 0.05)


@given(of=st.integers(0, 300), share=st.floats(0.001, 0.5), data=st.data())
def test_more_failures_never_calm_a_guard(of: int, share: float, data: st.DataObject) -> None:
    bad = data.draw(st.integers(0, of))

    if bad and is_burst(Tally(of, bad - 1), share):
        assert is_burst(Tally(of, bad), share)
