"""What is done about memory: a story at a time, and then whatever may happen, in virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import DesiredUnit, Kind, Standing
from sutazai.fleet.spec import Runtime, Temperature
from sutazai.fleet.status import Level
from sutazai.host.pressure.choice import AT_ONCE, IDLE_FOR, Candidate, may_end
from sutazai.host.pressure.levels import LEVELS, Reading, level_of
from sutazai.host.pressure.policy import (
    CALM,
    DELAY,
    SOON,
    Changed,
    Decision,
    End,
    GiveBack,
    Observation,
    Policy,
    Stuck,
    Withheld,
)

TOTAL = 100_000
ENDING_TAKES = 3.0


class Simulated:
    """A machine in virtual time: ``base`` is what others use, of TOTAL; every unit has one
    instance. Those that end take a while for it, and hot ones that are given back run again."""

    def __init__(self, base: int, *candidates: Candidate) -> None:
        self.now = 0.0
        self.base = base
        self.stalled: float | None = None
        self.running = {one.instance: one for one in candidates}
        self.withheld: dict[str, Candidate] = {}
        self.ending: dict[str, float] = {}
        self.policy = Policy()
        self.decided: list[tuple[float, Decision]] = []

    @property
    def used(self) -> int:
        return min(TOTAL, self.base + sum(one.memory for one in self.running.values()))

    @property
    def reading(self) -> Reading:
        return Reading(TOTAL, self.used, self.stalled)

    def observe(self) -> Observation:
        return Observation(
            now=self.now,
            reading=self.reading,
            candidates=tuple(self.running.values()),
            withheld=tuple(
                Withheld(unit=one.unit, priority=one.priority, standing=one.standing)
                for one in self.withheld.values()
            ),
        )

    def look(self) -> list[Decision]:
        decisions = self.policy.decide(self.observe())
        for decision in decisions:
            self.decided.append((self.now, decision))
            if isinstance(decision, End):
                for one in decision.chosen:
                    self.running[one.instance] = replace(one, ending=True)
                    self.ending[one.instance] = self.now + ENDING_TAKES
            elif isinstance(decision, GiveBack):
                self._give_back(decision.units)
        return decisions

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for name, at in list(self.ending.items()):
            if at <= self.now:
                del self.ending[name]
                one = self.running.pop(name)
                self.withheld[one.unit] = replace(one, ending=False)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.look()
            self.advance(1.0)

    def of(self, kind: type[Decision]) -> list[tuple[float, Decision]]:
        return [(at, one) for at, one in self.decided if isinstance(one, kind)]

    def _give_back(self, units: Iterable[str]) -> None:
        for name in units:
            one = self.withheld.pop(name)
            if one.hot:
                self.running[one.instance] = one


def agent(name: str, memory: int = 1000, **changes: object) -> Candidate:
    return replace(Candidate(instance=name, unit=name, idle=60.0, memory=memory), **changes)  # type: ignore[arg-type]


def ended(machine: Simulated) -> list[str]:
    return [
        one.instance for _, end in machine.of(End) if isinstance(end, End) for one in end.chosen
    ]


def test_nothing_is_done_while_memory_is_plentiful() -> None:
    machine = Simulated(10_000, agent("a"), agent("b", hot=False))
    machine.run(60)
    assert machine.decided == []


def test_warning_shrinks_the_warm_pool_until_it_is_left() -> None:
    warm = [agent(f"warm-{number}", hot=False) for number in range(30)]
    machine = Simulated(45_000, agent("hot"), *warm)
    machine.run(60)
    assert machine.policy.level is Level.NORMAL
    assert "hot" in machine.running
    assert len(ended(machine)) == 12, "no more than needed: from 76 to just below 65 %"


def test_critical_suspends_the_lowest_first_and_waits_to_see_what_that_did() -> None:
    low = [agent(f"low-{number}", priority=Priority.LOW) for number in range(12)]
    machine = Simulated(70_000, *[agent(f"mid-{number}") for number in range(5)], *low)
    machine.run(60)
    assert machine.policy.level is Level.WARNING
    assert {name[:3] for name in ended(machine)} == {"low"}
    times = [at for at, _ in machine.of(End)]
    assert all(later - earlier >= DELAY for earlier, later in pairwise(times))


def test_emergency_does_not_wait_for_what_critical_began() -> None:
    machine = Simulated(80_000, *[agent(f"a-{number}", 500) for number in range(20)])
    assert isinstance(machine.look()[-1], End)
    machine.advance(1.0)
    machine.base = 95_000
    changed, end = machine.look()
    assert isinstance(changed, Changed) and changed.after is Level.EMERGENCY
    assert isinstance(end, End) and end.level is Level.EMERGENCY


def test_what_ends_already_is_counted_as_freed() -> None:
    leaving = agent("leaving", 20_000, ending=True)
    machine = Simulated(77_000, leaving, agent("stays"))
    assert [type(one) for one in machine.look()] == [Changed]


def test_it_says_once_that_nothing_is_left_to_end() -> None:
    machine = Simulated(96_000, agent("llm", standing=Standing.PROTECTED))
    machine.run(60)
    assert len(machine.of(Stuck)) == 1
    assert ended(machine) == []


def test_what_was_ended_comes_back_when_it_was_normal_for_a_while() -> None:
    machine = Simulated(88_000, *[agent(f"a-{number}", 100) for number in range(25)])
    machine.run(30)
    assert machine.withheld
    machine.base = 10_000
    machine.run(int(CALM) - 1)
    assert machine.of(GiveBack) == []
    machine.run(60)
    assert not machine.withheld
    assert machine.policy.level is Level.NORMAL


def test_a_service_comes_back_at_warning_for_no_call_can_wake_it() -> None:
    service = Withheld(unit="database", wakes=False)
    agent_ = Withheld(unit="agent")
    policy = Policy()
    seen = Observation(now=0, reading=Reading(100, 75), withheld=(agent_, service))
    policy.decide(seen)
    assert GiveBack(("database",)) in policy.decide(replace(seen, now=CALM))
    assert policy.decide(replace(seen, now=2 * CALM, withheld=(agent_,))) == []


def test_whoever_fills_the_machine_whenever_it_is_back_comes_back_ever_later() -> None:
    machine = Simulated(0, agent("glutton", 96_000))
    machine.run(2000)
    times = [at for at, _ in machine.of(GiveBack)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(later > 1.5 * earlier for earlier, later in pairwise(gaps))
    machine.running.clear()
    machine.base = 0
    machine.run(int(SOON))


def test_starts_are_held_with_the_reason() -> None:
    unit = DesiredUnit(
        name="cold",
        kind=Kind.AGENT,
        version="1",
        runtime=Runtime.PYTHON,
        temperature=Temperature.COLD,
    )
    policy = Policy()
    assert policy.held(unit, True) == ""
    policy.decide(Observation(now=0, reading=Reading(1024**3, 800 * 1024**2, 12)))
    told = policy.held(unit, True)
    assert told == "memory (warning: 78 % of 1GiB used, stalled 12 % of the time)"


# ---- whatever may happen

candidates = st.builds(
    Candidate,
    instance=st.uuids().map(str),
    unit=st.uuids().map(str),
    priority=st.sampled_from(Priority),
    standing=st.sampled_from(Standing),
    hot=st.booleans(),
    memory=st.integers(0, 20_000),
    growth=st.floats(-100, 1000),
    idle=st.none() | st.floats(0, 20),
    serves=st.none() | st.sampled_from(Priority),
)


class AnyMachine(RuleBasedStateMachine):
    """Memory, work and agents come and go; whatever is decided keeps the rules."""

    @initialize(base=st.integers(0, TOTAL), fleet=st.lists(candidates, max_size=40))
    def begin(self, base: int, fleet: list[Candidate]) -> None:
        self.machine = Simulated(base, *fleet)

    @rule(seconds=st.floats(0.1, 40))
    def time_passes(self, seconds: float) -> None:
        self.machine.advance(seconds)

    @rule(base=st.integers(0, TOTAL))
    def others_take_and_give(self, base: int) -> None:
        self.machine.base = base

    @rule(stalled=st.none() | st.floats(0, 100))
    def it_stalls(self, stalled: float | None) -> None:
        self.machine.stalled = stalled

    @rule(one=candidates)
    def somebody_starts(self, one: Candidate) -> None:
        self.machine.running[one.instance] = one

    @rule(data=st.data())
    def somebody_gets_work(self, data: st.DataObject) -> None:
        if self.machine.running:
            name = data.draw(st.sampled_from(sorted(self.machine.running)))
            serves = data.draw(st.none() | st.sampled_from(Priority))
            one = self.machine.running[name]
            self.machine.running[name] = replace(one, idle=0.0, serves=serves)

    @rule()
    def it_looks(self) -> None:
        before, seen = self.machine.policy.level, self.machine.observe()
        decisions = self.machine.look()
        level = self.machine.policy.level
        assert level is level_of(seen.reading, before)
        assert [one for one in decisions if isinstance(one, Changed)] == (
            [] if level is before else [Changed(before, level)]
        )
        for decision in decisions:
            if isinstance(decision, End):
                self._check_end(decision, seen)
            elif isinstance(decision, Stuck):
                assert not any(may_end(level, one) for one in seen.candidates)
            elif isinstance(decision, GiveBack):
                assert level is Level.NORMAL
                assert 0 < len(decision.units) <= AT_ONCE

    def _check_end(self, end: End, seen: Observation) -> None:
        assert end.level is self.machine.policy.level is not Level.NORMAL
        assert 0 < len(end.chosen) <= AT_ONCE
        for one in end.chosen:
            assert not one.ending and not one.needed
            assert one.standing is not Standing.PROTECTED
            if end.level is not Level.EMERGENCY:
                assert one.standing is Standing.ORDINARY
                assert one.idle is not None and one.idle >= IDLE_FOR
                assert one.serves is None
        spared = [
            one for one in seen.candidates if may_end(end.level, one) and one not in end.chosen
        ]
        highest = max(one.rank for one in end.chosen)
        assert all(one.rank >= highest for one in spared), "the lowest go first"
        held = sum(one.memory for one in end.chosen[:-1])
        assert held < end.shortage, "nobody goes for nothing"

    @invariant()
    def steps_are_apart(self) -> None:
        ends = self.machine.of(End) if hasattr(self, "machine") else []
        for (earlier, first), (later, second) in pairwise(ends):
            assert isinstance(first, End) and isinstance(second, End)
            rose = LEVELS.index(second.level) > LEVELS.index(first.level)
            assert rose or later >= earlier + DELAY


AnyMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAnyMachine = AnyMachine.TestCase


@settings(max_examples=100, deadline=None)
@given(st.integers(0, TOTAL), st.lists(candidates, max_size=60, unique_by=lambda one: one.instance))
def test_it_ends_below_the_threshold_or_says_that_it_cannot(
    base: int, fleet: list[Candidate]
) -> None:
    machine = Simulated(base, *fleet)
    machine.run(10 * len(fleet) + 60)
    level = machine.policy.level
    if any(may_end(level, one) for one in machine.running.values()):
        assert machine.of(GiveBack), "only what came back is ended again"
    elif level is not Level.NORMAL:
        last = max(at for at, one in machine.decided if isinstance(one, Changed))
        assert any(
            at >= last and isinstance(one, Stuck) and one.level is level
            for at, one in machine.decided
        )


@settings(max_examples=100, deadline=None)
@given(st.integers(0, TOTAL), st.lists(candidates, max_size=60, unique_by=lambda one: one.instance))
def test_where_nothing_changes_the_level_rises_at_most_once_for_each_giving_back(
    base: int, fleet: list[Candidate]
) -> None:
    machine = Simulated(base, *fleet)
    machine.run(10 * len(fleet) + 60)
    rises = [
        one
        for _, one in machine.of(Changed)
        if isinstance(one, Changed) and LEVELS.index(one.after) > LEVELS.index(one.before)
    ]
    assert len(rises) <= 1 + len(machine.of(GiveBack))
