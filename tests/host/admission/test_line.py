"""Who may start an instance and who waits, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import Plan
from sutazai.fleet.spec import MIB, Pool
from sutazai.host.admission.line import OVERTAKEN_FOR, STEP, Line, Wish
from sutazai.host.admission.room import Capacity, Room, Share, room_of

GIB = 1024 * MIB
ROOM = Room(memory=1024 * MIB, pools={Pool.STANDARD: 512 * MIB}, cores=4.0, gpu=2 * GIB)


def wish(unit: str, memory: int = 128 * MIB, **more: Any) -> Wish:
    share = Share(memory=memory, **{key: more.pop(key) for key in ("pool", "cores", "gpu")
                                    if key in more})  # fmt: skip
    return Wish(unit=unit, share=share, **more)


def filled(line: Line, seat: int, memory: int, pool: Pool = Pool.CRITICAL) -> None:
    line.ledger.put(seat, Share(pool=pool, memory=memory))


def test_the_reserve_and_the_house_are_never_given_away() -> None:
    plan = Plan(total=8 * GIB, reserve=GIB, house=2 * GIB)
    assert room_of(plan, Capacity(memory=16 * GIB, cores=2)).memory == 5 * GIB
    assert room_of(plan, Capacity(memory=4 * GIB, cores=2)).memory == GIB, "the smaller counts"
    assert room_of(plan, Capacity(memory=4 * GIB, cores=2)).cores == 8
    assert room_of(None, Capacity(memory=GIB)).memory is None


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (wish("a", 600 * MIB, pool=Pool.CRITICAL), "memory: 600MiB wanted, 524MiB free"),
        (wish("a", 200 * MIB), "memory: 200MiB wanted, 112MiB free of pool standard"),
        (wish("a", 0, cores=4.5), "CPU: 4.5 cores wanted, and there are 4 in all"),
        (wish("a", 0, gpu=3 * GIB), "GPU memory: 3GiB wanted, and there are 2GiB in all"),
    ],
)
def test_what_is_short_is_told_with_figures(wanted: Wish, reason: str) -> None:
    line = Line(ROOM)
    filled(line, 1, 100 * MIB)
    filled(line, 2, 400 * MIB, Pool.STANDARD)
    assert str(line.ask(wanted, 0.0)[0]) == reason


def test_a_small_one_passes_a_large_one_for_a_while_and_then_the_room_is_kept() -> None:
    line = Line(ROOM)
    filled(line, 1, 800 * MIB)
    large = wish("large", 300 * MIB, priority=Priority.HIGH, pool=Pool.CRITICAL)
    small = wish("small", 100 * MIB, pool=Pool.CRITICAL)
    assert line.ask(large, 0.0)
    assert not line.ask(small, OVERTAKEN_FOR / 2)
    (kept,) = line.ask(small, OVERTAKEN_FOR)
    assert str(kept) == "memory: 300MiB wanted, 224MiB free"
    line.ledger.remove(1)
    assert line.ready(OVERTAKEN_FOR) == ["large", "small"]
    assert not line.ask(large, OVERTAKEN_FOR)
    assert not line.ask(small, OVERTAKEN_FOR)


def test_who_can_never_have_enough_keeps_nobody_waiting() -> None:
    line = Line(ROOM)
    (lasting, *_) = line.ask(wish("huge", 2 * GIB, priority=Priority.HIGH), 0.0)
    assert lasting.is_lasting
    assert not line.ask(wish("small", 100 * MIB), 100.0)


def test_who_waits_in_a_full_pool_keeps_nobody_of_another_waiting() -> None:
    line = Line(ROOM)
    filled(line, 1, 512 * MIB, Pool.STANDARD)
    assert line.ask(wish("a", 100 * MIB, priority=Priority.HIGH), 0.0)
    assert not line.ask(wish("b", 100 * MIB, pool=Pool.CRITICAL), 100.0)


def test_hot_units_come_first_then_higher_priorities_then_who_waits_longest() -> None:
    line = Line(ROOM)
    filled(line, 1, 1024 * MIB)
    wishes = [
        wish("low", priority=Priority.LOW),
        wish("first"),
        wish("second"),
        wish("high", priority=Priority.HIGH),
        wish("hot", hot=True, priority=Priority.LOW),
    ]
    for number, one in enumerate(wishes):
        assert line.ask(one, float(number))
    line.ledger.room = Room()
    line.ledger.remove(1)
    assert line.ready(5.0) == ["hot", "high", "first", "second", "low"]


def test_a_minute_of_waiting_lifts_by_one_step() -> None:
    line = Line(ROOM)
    filled(line, 1, 1024 * MIB)
    assert line.ask(wish("low", priority=Priority.LOW), 0.0)
    assert line.ask(wish("high", priority=Priority.HIGH), 2 * STEP + 1)
    line.ledger.remove(1)
    assert line.ready(2 * STEP + 1) == ["low", "high"]


units = st.sampled_from("abcdefgh")
amounts = st.integers(1, 12).map(lambda number: number * 64 * MIB)


class AnyLine(RuleBasedStateMachine):
    """Units that ask, start, end and give up in any order never hold more than there is, and all
    who could ever fit get in."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.now, self.seat = Line(ROOM), 0.0, 0
        self.held: dict[int, Share] = {}
        self.waiting: dict[str, Wish] = {}

    @rule(
        unit=units,
        memory=amounts,
        pool=st.sampled_from([Pool.STANDARD, Pool.CRITICAL]),
        priority=st.sampled_from(Priority),
        hot=st.booleans(),
    )
    def ask(self, unit: str, memory: int, pool: Pool, priority: Priority, hot: bool) -> None:
        share = Share(pool=pool, memory=memory, cores=0.1)
        self._ask(Wish(unit=unit, share=share, priority=priority, hot=hot))

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 1000))
    def one_ends(self, which: int) -> None:
        seat = sorted(self.held)[which % len(self.held)]
        del self.held[seat]
        self.line.ledger.remove(seat)

    @rule(unit=units)
    def gives_up(self, unit: str) -> None:
        assert self.line.leave(unit) is (self.waiting.pop(unit, None) is not None)

    @rule()
    def all_end_and_everybody_gets_in(self) -> None:
        for _ in range(len(self.waiting) + 1):
            for seat in list(self.held):
                del self.held[seat]
                self.line.ledger.remove(seat)
            for unit in self.line.ready(self.now):
                self._ask(self.waiting[unit])
        assert all(
            any(each.is_lasting for each in self.line.ledger.shortages(one.share))
            for one in self.waiting.values()
        )

    @invariant()
    def nobody_holds_more_than_there_is(self) -> None:
        assert sum(share.memory for share in self.held.values()) <= (ROOM.memory or 0)
        for pool, bound in ROOM.pools.items():
            held = sum(one.memory for one in self.held.values() if one.pool is pool)
            assert held <= bound
        assert len(self.line) == len(self.waiting)

    def _ask(self, wanted: Wish) -> None:
        if self.line.ask(wanted, self.now):
            self.waiting[wanted.unit] = wanted
            return
        self.waiting.pop(wanted.unit, None)
        self.seat += 1
        self.held[self.seat] = wanted.share
        self.line.ledger.put(self.seat, wanted.share)


TestAnyLine = AnyLine.TestCase


@given(st.lists(amounts, min_size=1, max_size=20), st.data())
def test_the_account_is_right_whoever_comes_and_goes(sizes: list[int], data: st.DataObject) -> None:
    line = Line(Room(memory=100 * GIB))
    for number, size in enumerate(sizes):
        filled(line, number, size)
    gone = data.draw(st.sets(st.sampled_from(range(len(sizes)))))
    for number in gone:
        line.ledger.remove(number)
        line.ledger.remove(number)
    held = sum(size for number, size in enumerate(sizes) if number not in gone)
    (short,) = line.ledger.shortages(Share(memory=200 * GIB))
    assert short.free == 100 * GIB - held
