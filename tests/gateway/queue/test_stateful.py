"""What must hold of the scheduler whatever happens in whatever order (Hypothesis)."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sutazai.fleet.declared import Priority
from sutazai.fleet.serving import Overflow
from sutazai.gateway.queue.entries import (
    LEVELS,
    Decision,
    Entry,
    Expire,
    Limits,
    Reject,
    Start,
    Why,
)
from sutazai.gateway.queue.lanes import Backend
from sutazai.gateway.queue.outages import OUTAGE_GRACE
from sutazai.gateway.queue.ranking import AGED_EVERY
from sutazai.gateway.queue.scheduler import Scheduler
from sutazai.gateway.queue.waiting import AGED_AFTER

LIMIT, BYTES = 6, 400
TARGETS = ("fast", "standard")
BACKENDS = ("one", "two", "three")
PATIENCE = 200

plain = st.none()
few_models = st.one_of(st.none(), st.frozensets(st.sampled_from(("A", "B"))))


def backends_with(
    resident: st.SearchStrategy[frozenset[str] | None],
) -> st.SearchStrategy[list[Backend]]:
    return st.lists(
        st.builds(
            Backend,
            name=st.sampled_from(BACKENDS),
            slots=st.integers(0, 3),
            weight=st.sampled_from((1.0, 2.0, 0.5)),
            available=st.booleans(),
            targets=st.dictionaries(
                st.sampled_from(TARGETS), st.sampled_from(("A", "B")), min_size=1
            ),
            resident=resident,
        ),
        unique_by=lambda backend: backend.name,
        max_size=3,
    )


class SchedulerMachine(RuleBasedStateMachine):
    """A ledger of every entry beside the scheduler, with no rule of its own."""

    overflow = Overflow.REJECT

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.number = 0
        self.scheduler = Scheduler(Limits(LIMIT, BYTES, self.overflow))
        self.backends: dict[str, Backend] = {}
        self.entries: dict[str, Entry] = {}
        self.arrived: dict[str, float] = {}
        self.waiting: set[str] = set()
        self.running: dict[str, Start] = {}
        self.without: dict[str, set[str]] = {}
        self.lingering: set[str] = set()
        self.ended: set[str] = set()
        self.returned = self.returned_size = 0
        self.measured = self.paused = False
        # backend → level → its starts since that level was served, while it had aged entries
        self.passed_over: dict[str, Counter[int]] = {}

    # rules

    @rule(
        client=st.sampled_from("abc"),
        priority=st.sampled_from(list(Priority)),
        asked=st.sampled_from(TARGETS),
        patience=st.integers(0, PATIENCE),
        prefix=st.sampled_from(("", "x", "y")),
        size=st.integers(0, 150),
        cost=st.sampled_from((0.0, 0.5, 1.0, 30.0)),
        agent=st.booleans(),
    )
    def submit(
        self, client: str, priority: Priority, asked: str, patience: int, **more: object
    ) -> None:
        self.number += 1
        entry = Entry(
            f"e{self.number}",
            client,
            priority,
            asked,
            self.now + patience,
            **more,  # type: ignore[arg-type]
        )
        was = set(self.waiting)
        self.entries[entry.id] = entry
        self.arrived[entry.id] = self.now
        self.waiting.add(entry.id)
        self.carry_out(self.scheduler.submit(self.now, entry), newcomer=entry, was=was)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), cost=st.sampled_from((None, 0.0, 0.1, 5.0)))
    def finish(self, data: st.DataObject, cost: float | None) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.end(key)
        self.measured = True
        self.carry_out(self.scheduler.finish(self.now, key, cost))

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), linger=st.booleans())
    def cancel(self, data: st.DataObject, linger: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.entries)))
        known = key in self.waiting or key in self.running
        if linger and key in self.running:
            self.lingering.add(key)
        else:
            self.measured |= key in self.running
            self.end(key)
        decisions = self.scheduler.cancel(self.now, key, linger=linger)
        assert known or not decisions, "an entry that had ended changed something"
        self.carry_out(decisions)

    @precondition(lambda self: self.running.keys() - self.lingering)
    @rule(
        data=st.data(),
        other=st.one_of(st.none(), st.sampled_from(TARGETS)),
        without=st.frozensets(st.sampled_from(BACKENDS), max_size=2),
    )
    def again(self, data: st.DataObject, other: str | None, without: frozenset[str]) -> None:
        key = data.draw(st.sampled_from(sorted(self.running.keys() - self.lingering)))
        del self.running[key]
        self.waiting.add(key)
        if other is not None:
            self.entries[key] = msgspec.structs.replace(self.entries[key], target=other)
            self.without.pop(key, None)
        self.without.setdefault(key, set()).update(without)
        self.returned += 1
        self.returned_size += self.entries[key].size
        self.carry_out(self.scheduler.again(self.now, key, target=other, without=without))

    @rule(seconds=st.sampled_from((0.5, 5.0, 31.0)))
    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.scheduler.next_due()) is not None and due <= until:
            assert due >= self.now or due in {self.entries[key].deadline for key in self.waiting}
            self.now = max(self.now, due)
            self.carry_out(self.scheduler.tick(self.now))
        self.now = until
        for key in self.waiting:
            assert self.entries[key].deadline > self.now, "an entry outlived its deadline"

    @rule(data=st.data())
    def change_backends(self, data: st.DataObject) -> None:
        backends = data.draw(backends_with(self.residents))
        self.backends = {backend.name: backend for backend in backends}
        self.passed_over.clear()
        self.carry_out(self.scheduler.update_backends(self.now, backends))

    residents: st.SearchStrategy[frozenset[str] | None] = plain

    @rule()
    def pause(self) -> None:
        self.paused = True
        self.passed_over.clear()
        self.carry_out(self.scheduler.pause(self.now))

    @rule()
    def resume(self) -> None:
        self.paused = False
        self.passed_over.clear()
        self.carry_out(self.scheduler.resume(self.now))

    # the ledger

    def end(self, key: str) -> None:
        if key in self.waiting or key in self.running:
            self.ended.add(key)
        self.waiting.discard(key)
        self.running.pop(key, None)
        self.lingering.discard(key)

    def carry_out(
        self,
        decisions: list[Decision],
        newcomer: Entry | None = None,
        was: frozenset[str] | set[str] = frozenset(),
    ) -> None:
        for decision in decisions:
            assert decision.id in self.waiting, "decided on an entry that does not wait"
            if isinstance(decision, Start):
                direct = newcomer is not None and decision.id == newcomer.id
                self.check_start(decision, direct=direct)
                self.waiting.remove(decision.id)
                self.running[decision.id] = decision
            else:
                if isinstance(decision, Reject):
                    self.check_refusal(decision, newcomer, was)
                else:
                    assert isinstance(decision, Expire)
                    assert self.entries[decision.id].deadline <= self.now
                self.waiting.remove(decision.id)
                self.ended.add(decision.id)

    def may_start(self, key: str, backend: Backend) -> bool:
        entry = self.entries[key]
        return (
            backend.available
            and entry.target in backend.targets
            and backend.name not in self.without.get(key, ())
            and not (self.paused and entry.agent)
        )

    def check_start(self, start: Start, *, direct: bool) -> None:
        backend = self.backends[start.backend]
        assert self.may_start(start.id, backend)
        there = [one for one in self.running.values() if one.backend == backend.name]
        assert len(there) < backend.slots, "more than its slots"
        assert 0 <= start.slot < backend.slots
        assert start.slot not in {one.slot for one in there}, "a slot was given twice"
        if backend.resident is None and not direct:
            self.check_rank(start, backend)

    def check_rank(self, start: Start, backend: Backend) -> None:
        """The highest priority goes first, and a lower one that has aged is not passed over."""
        level = LEVELS.index(self.entries[start.id].priority)
        eligible = [key for key in self.waiting if self.may_start(key, backend)]
        levels = {LEVELS.index(self.entries[key].priority): True for key in eligible}
        aged = {
            LEVELS.index(self.entries[key].priority)
            for key in eligible
            if self.now - self.arrived[key] >= AGED_AFTER
        }
        counts = self.passed_over.setdefault(backend.name, Counter())
        if level != min(levels):
            assert level in aged, "a lower priority went first and had not aged"
        for other in aged - {level}:
            if other != min(levels):
                counts[other] += 1
                assert counts[other] <= 2 * AGED_EVERY, "a priority that has aged starves"
        counts[level] = 0

    def check_refusal(
        self, refusal: Reject, newcomer: Entry | None, was: frozenset[str] | set[str]
    ) -> None:
        entry = self.entries[refusal.id]
        if refusal.why is Why.NO_BACKEND:
            without = self.without.get(entry.id, set())
            assert not [
                backend
                for backend in self.backends.values()
                if backend.available
                and entry.target in backend.targets
                and backend.name not in without
            ], "rejected though a backend is available"
            return
        assert newcomer is not None
        size = sum(self.entries[key].size for key in was) + newcomer.size
        is_full = len(was) >= LIMIT or size > BYTES
        if refusal.why is Why.TOO_LATE:
            assert self.measured and was and entry is newcomer
            assert refusal.position is not None and refusal.position.eta is not None
            assert refusal.position.eta > entry.deadline - self.now
        elif refusal.why is Why.QUEUE_FULL:
            assert is_full and entry is newcomer
        else:
            assert is_full and self.overflow is Overflow.SHED_LOWEST and refusal.id in was
            assert LEVELS.index(entry.priority) >= LEVELS.index(newcomer.priority)

    # what always holds

    @invariant()
    def slots_are_in_use_by_exactly_those_who_run(self) -> None:
        shot = self.scheduler.snapshot(self.now)
        mine = Counter(start.backend for start in self.running.values())
        assert {name: count for name, count in shot.running.items() if count} == mine
        assert shot.leaving == len(self.lingering)

    @invariant()
    def the_queue_is_bounded(self) -> None:
        shot = self.scheduler.snapshot(self.now)
        assert self.scheduler.waiting == len(self.waiting) <= LIMIT + self.returned
        assert shot.size == sum(self.entries[key].size for key in self.waiting)
        assert shot.size <= BYTES + self.returned_size
        assert sum(shot.waiting.values()) == len(self.waiting)

    @invariant()
    def every_entry_is_in_exactly_one_place(self) -> None:
        places = [set(self.waiting), set(self.running), self.ended]
        assert sum(map(len, places)) == len(self.entries) == len(set().union(*places))

    @invariant()
    def no_slot_is_free_while_somebody_waits_for_it(self) -> None:
        for backend in self.backends.values():
            used = sum(1 for start in self.running.values() if start.backend == backend.name)
            if backend.resident is None and used < backend.slots:
                assert not [key for key in self.waiting if self.may_start(key, backend)]

    @invariant()
    def the_next_due_time_is_never_too_late(self) -> None:
        due = self.scheduler.next_due()
        if self.waiting:
            earliest = min(self.entries[key].deadline for key in self.waiting)
            assert due is not None and due <= earliest

    @invariant()
    def what_is_foretold_makes_sense(self) -> None:
        rows = self.scheduler.queue(self.now, 1000)
        assert sorted(row.id for row in rows) == sorted(self.waiting)
        for key in self.waiting:
            position = self.scheduler.position(self.now, key)
            assert position is not None and 0 <= position.ahead < len(self.waiting)
            assert position.eta is None or (self.measured and position.eta >= 0)

    def teardown(self) -> None:
        """Given time alone, everything that waits ends."""
        for key in list(self.running):
            self.end(key)
            self.carry_out(self.scheduler.finish(self.now, key))
        self.pass_time(PATIENCE + OUTAGE_GRACE)
        assert not self.waiting


class SheddingMachine(SchedulerMachine):
    """The same where others make way for newcomers."""

    overflow = Overflow.SHED_LOWEST


class CollectingMachine(SchedulerMachine):
    """The same with backends that hold one model."""

    residents = few_models


@pytest.mark.parametrize("examples", [25, pytest.param(1000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("machine", [SchedulerMachine, SheddingMachine, CollectingMachine])
def test_it_holds(machine: type[SchedulerMachine], examples: int) -> None:
    limits = settings(max_examples=examples, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(machine, settings=limits)
