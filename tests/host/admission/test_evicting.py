"""Which idle units sleep to make room for one that is called."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.declared import Priority
from sutazai.fleet.spec import MIB, Pool
from sutazai.host.admission.evicting import IDLE_FOR, Sleeper, to_sleep
from sutazai.host.admission.room import Resource, Share, Shortage


def short(wanted: int, free: int = 0, pool: Pool | None = None) -> Shortage:
    resource = Resource.MEMORY if pool is None else Resource.POOL
    return Shortage(resource=resource, wanted=wanted, free=free, bound=1e12, pool=pool)


def sleeper(unit: str, memory: int = 128 * MIB, **more: Any) -> Sleeper:
    given = {"priority": Priority.MEDIUM, "idle": 60.0, "shares": (Share(memory=memory),)}
    return Sleeper(**{"unit": unit, **given, **more})


def names(*found: Sleeper) -> list[str]:
    return [one.unit for one in found]


def test_the_lowest_priority_sleeps_first_then_who_is_idle_longest() -> None:
    known = [
        sleeper("fresh", idle=20.0),
        sleeper("old", idle=500.0),
        sleeper("low", priority=Priority.LOW, idle=11.0),
    ]
    one, two, all_of_them = short(100 * MIB), short(200 * MIB), short(300 * MIB)
    assert names(*to_sleep(Priority.HIGH, [one], known)) == ["low"]
    assert names(*to_sleep(Priority.HIGH, [two], known)) == ["low", "old"]
    assert names(*to_sleep(Priority.HIGH, [all_of_them], known)) == ["low", "old", "fresh"]


def test_nobody_sleeps_in_vain() -> None:
    assert to_sleep(Priority.HIGH, [short(300 * MIB)], [sleeper("only")]) == ()


def test_who_works_or_thinks_or_matters_more_is_let_be() -> None:
    known = [
        sleeper("works", idle=None),
        sleeper("thinks", idle=IDLE_FOR - 1),
        sleeper("matters", priority=Priority.HIGH),
    ]
    assert to_sleep(Priority.MEDIUM, [short(100 * MIB)], known) == ()


def test_what_is_leaving_already_is_waited_for() -> None:
    known = [sleeper("leaving", leaving=True), sleeper("other")]
    assert to_sleep(Priority.MEDIUM, [short(100 * MIB)], known) == ()


def test_only_a_member_of_the_pool_helps_where_the_pool_is_full() -> None:
    critical = (Share(pool=Pool.CRITICAL, memory=512 * MIB),)
    known = [sleeper("critical", shares=critical), sleeper("standard")]
    chosen = to_sleep(Priority.MEDIUM, [short(100 * MIB, pool=Pool.STANDARD)], known)
    assert names(*chosen) == ["standard"]


@given(
    st.lists(
        st.builds(
            sleeper,
            st.uuids().map(str),
            st.integers(0, 512).map(lambda number: number * MIB),
            priority=st.sampled_from(Priority),
            idle=st.one_of(st.none(), st.floats(0, 1000)),
            leaving=st.booleans(),
        ),
        max_size=20,
    ),
    st.integers(1, 2000).map(lambda number: number * MIB),
    st.sampled_from(Priority),
)
def test_whoever_sleeps_makes_enough_room_and_none_more_than_needed(
    known: list[Sleeper], wanted: int, priority: Priority
) -> None:
    chosen = to_sleep(priority, [short(wanted)], known)
    if not chosen:
        return
    coming = sum(share.memory for one in known if one.leaving for share in one.shares)
    sizes = [sum(share.memory for share in one.shares) for one in chosen]
    assert coming + sum(sizes) >= wanted
    assert coming + sum(sizes[:-1]) < wanted
