"""What must hold of the scheduler whatever happens in whatever order (Hypothesis)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sutazai.fleet.spec import Priority
from sutazai.gateway.scheduler import (
    AGED_AFTER,
    AGED_EVERY,
    OUTAGE_GRACE,
    Backend,
    Decision,
    Reject,
    Scheduler,
    Start,
    Why,
)
from sutazai.gateway.waiting import Entry

LIMIT = 6
TARGETS = ("fast", "standard")
BACKENDS = ("one", "two", "three")

backends = st.lists(
    st.builds(
        Backend,
        name=st.sampled_from(BACKENDS),
        slots=st.integers(1, 3),
        weight=st.sampled_from((1.0, 2.0, 0.5)),
        available=st.booleans(),
        targets=st.frozensets(st.sampled_from(TARGETS), min_size=1),
    ),
    unique_by=lambda backend: backend.name,
    max_size=3,
)


class SchedulerMachine(RuleBasedStateMachine):
    """A ledger of every entry beside the scheduler, with no rule of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.number = 0
        self.scheduler = Scheduler(limit=LIMIT)
        self.backends: dict[str, Backend] = {}
        self.entries: dict[str, Entry] = {}
        self.waiting: dict[str, float] = {}  # id → since
        self.running: dict[str, str] = {}  # id → backend
        self.ended: set[str] = set()
        self.returned = 0
        self.starts: dict[str, dict[str, int]] = {}  # aged id → backend → starts seen

    # rules

    @rule(
        client=st.sampled_from("abc"),
        priority=st.sampled_from(list(Priority)),
        asked=st.sampled_from(TARGETS),
        patience=st.integers(0, 200),
    )
    def submit(self, client: str, priority: Priority, asked: str, patience: int) -> None:
        self.number += 1
        entry = Entry(f"e{self.number}", client, priority, asked, self.now + patience)
        full = len(self.waiting) >= LIMIT
        self.entries[entry.id] = entry
        self.waiting[entry.id] = self.now
        decisions = self.scheduler.submit(self.now, entry)
        assert all(decision.id == entry.id for decision in decisions)
        if full and not decisions:
            raise AssertionError("more than the limit wait")
        self.carry_out(decisions)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self.end(data.draw(st.sampled_from(sorted(self.running))), "finish")

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.end(data.draw(st.sampled_from(sorted(self.entries))), "cancel")

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[id_]
        self.waiting[id_] = self.now
        self.starts.pop(id_, None)
        self.returned += 1
        self.carry_out(self.scheduler.again(self.now, id_))

    @rule(seconds=st.sampled_from((0.5, 5.0, 31.0)))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.carry_out(self.scheduler.tick(self.now))
        for id_ in self.waiting:
            assert self.entries[id_].deadline > self.now, "an entry outlived its deadline"

    @rule(backends=backends)
    def change_backends(self, backends: list[Backend]) -> None:
        self.backends = {backend.name: backend for backend in backends}
        self.carry_out(self.scheduler.update_backends(self.now, backends))

    # the ledger

    def end(self, id_: str, how: str) -> None:
        known = id_ in self.waiting or id_ in self.running
        self.waiting.pop(id_, None)
        self.running.pop(id_, None)
        self.starts.pop(id_, None)
        if known:
            self.ended.add(id_)
        operation = self.scheduler.finish if how == "finish" else self.scheduler.cancel
        decisions = operation(self.now, id_)
        assert known or not decisions, "an entry that had ended changed something"
        self.carry_out(decisions)

    def carry_out(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            assert decision.id in self.waiting, "decided on an entry that does not wait"
            since = self.waiting.pop(decision.id)
            self.starts.pop(decision.id, None)
            if isinstance(decision, Start):
                self.note_start(decision)
                self.running[decision.id] = decision.backend
            else:
                self.check_refusal(decision, since)
                self.ended.add(decision.id)

    def note_start(self, start: Start) -> None:
        backend = self.backends[start.backend]
        assert backend.available
        assert self.entries[start.id].target in backend.targets
        for id_, since in self.waiting.items():
            if self.now - since >= AGED_AFTER and self.entries[id_].target in backend.targets:
                seen = self.starts.setdefault(id_, {})
                seen[start.backend] = seen.get(start.backend, 0) + 1
                bound = AGED_EVERY * (LIMIT + self.returned + 1)
                assert seen[start.backend] <= bound, "an aged entry starves"

    def check_refusal(self, decision: Decision, since: float) -> None:
        if isinstance(decision, Reject) and decision.why is Why.NO_BACKEND:
            target = self.entries[decision.id].target
            serving = [b for b in self.backends.values() if b.available and target in b.targets]
            assert not serving, "rejected though a backend is available"

    # what always holds

    @invariant()
    def no_backend_runs_more_than_its_slots_by_new_starts(self) -> None:
        shot = self.scheduler.snapshot(self.now)
        mine: dict[str, int] = {}
        for backend in self.running.values():
            mine[backend] = mine.get(backend, 0) + 1
        assert {name: count for name, count in shot.running.items() if count} == mine

    @invariant()
    def the_queue_is_bounded(self) -> None:
        assert self.scheduler.waiting == len(self.waiting) <= LIMIT + self.returned
        assert sum(self.scheduler.snapshot(self.now).waiting.values()) == len(self.waiting)

    @invariant()
    def every_entry_is_in_exactly_one_place(self) -> None:
        places = [set(self.waiting), set(self.running), self.ended]
        assert sum(map(len, places)) == len(self.entries) == len(set().union(*places))

    @invariant()
    def no_slot_is_free_while_somebody_waits_for_it(self) -> None:
        for backend in self.backends.values():
            used = sum(1 for name in self.running.values() if name == backend.name)
            if backend.available and used < backend.slots:
                assert not [
                    id_ for id_ in self.waiting if self.entries[id_].target in backend.targets
                ]

    @invariant()
    def the_next_due_time_is_never_too_late(self) -> None:
        due = self.scheduler.next_due()
        if self.waiting:
            earliest = min(self.entries[id_].deadline for id_ in self.waiting)
            assert due is not None and due <= earliest

    def teardown(self) -> None:
        """Given time alone, everything that waits ends."""
        for id_ in list(self.running):
            self.end(id_, "finish")
        self.now += 200 + OUTAGE_GRACE
        self.carry_out([d for d in self.scheduler.tick(self.now) if not isinstance(d, Start)])
        assert not self.waiting


class StrictSlotsMachine(SchedulerMachine):
    """With slots that never shrink, a backend is never above them."""

    def note_start(self, start: Start) -> None:
        super().note_start(start)
        used = sum(1 for name in self.running.values() if name == start.backend)
        assert used < self.backends[start.backend].slots


TestScheduler = StrictSlotsMachine.TestCase
TestScheduler.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
