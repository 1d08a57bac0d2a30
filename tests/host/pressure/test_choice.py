"""Who is ended, and in which order."""

from __future__ import annotations

from dataclasses import replace

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import Standing
from sutazai.fleet.status import Level
from sutazai.host.pressure.choice import AT_ONCE, Candidate, enough, in_order

IDLE = Candidate(instance="a-1", unit="a", idle=60.0, memory=10)
WARM = replace(IDLE, instance="w-1", hot=False)


def names(level: Level, *candidates: Candidate) -> list[str]:
    return [one.instance for one in in_order(level, candidates)]


def test_warning_sends_idle_warm_instances_to_sleep_and_no_others() -> None:
    busy = replace(WARM, instance="busy", idle=0.0)
    foreign = replace(WARM, instance="foreign", idle=None)
    assert names(Level.WARNING, IDLE, WARM, busy, foreign) == ["w-1"]


def test_critical_suspends_the_lowest_priority_first_and_the_largest_of_equals() -> None:
    low = replace(IDLE, instance="low", priority=Priority.LOW)
    high = replace(IDLE, instance="high", priority=Priority.HIGH)
    large = replace(IDLE, instance="large", memory=99)
    assert names(Level.CRITICAL, high, IDLE, large, WARM, low) == [
        "low", "w-1", "large", "a-1", "high",
    ]  # fmt: skip


def test_what_is_critical_or_at_work_is_never_suspended() -> None:
    critical = replace(IDLE, instance="critical", standing=Standing.CRITICAL)
    between_turns = replace(IDLE, instance="between", idle=1.0)
    depended_on = replace(IDLE, instance="depended", serves=Priority.LOW)
    assert names(Level.CRITICAL, critical, between_turns, depended_on) == []


def test_emergency_kills_by_priority_and_then_by_growth_also_those_at_work() -> None:
    grows = replace(IDLE, instance="grows", growth=5e6, idle=0.0)
    low = replace(IDLE, instance="low", priority=Priority.LOW, idle=0.0)
    critical = replace(IDLE, instance="critical", standing=Standing.CRITICAL, priority=Priority.LOW)
    assert names(Level.EMERGENCY, critical, IDLE, grows, low) == ["low", "grows", "a-1", "critical"]


def test_nobody_kills_what_is_protected_or_what_a_higher_task_waits_for() -> None:
    protected = replace(IDLE, instance="llm", standing=Standing.PROTECTED)
    waited_for = replace(IDLE, instance="waited", priority=Priority.LOW, serves=Priority.HIGH)
    equal = replace(IDLE, instance="equal", priority=Priority.LOW, serves=Priority.LOW)
    ending = replace(IDLE, instance="ending", ending=True)
    assert names(Level.EMERGENCY, protected, waited_for, equal, ending) == ["equal"]


def test_as_many_go_as_hold_what_is_too_much_and_never_more_than_ten() -> None:
    many = [replace(IDLE, instance=f"a-{number}") for number in range(30)]
    assert len(enough(many, 35)) == 4
    assert len(enough(many, 10_000)) == AT_ONCE
    assert len(enough(many, 1)) == 1
    assert enough([], 100) == ()
