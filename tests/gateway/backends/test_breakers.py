"""When a model on a backend is taken for broken, and for well again."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sutazai.gateway.backends.breakers import (
    FEWEST,
    FIRST_PAUSE,
    IN_A_ROW,
    LAST_PAUSE,
    SHARE,
    WINDOW,
    Breakers,
    Condition,
)

B, M = "one", "m"


def told(results: Iterable[bool], now: float = 0.0) -> Breakers:
    """Breakers that were told of calls: True for a success."""
    made = Breakers()
    for good in results:
        if good:
            made.succeeded(B, M, now)
        else:
            made.failed(B, M, now, "boom")
    return made


def test_failures_in_a_row_open_it() -> None:
    made = told([False] * (IN_A_ROW - 1))
    assert not made.is_open(B, M)
    assert made.failed(B, M, 0.0, "boom"), "it says that it has opened"
    assert made.is_open(B, M)


def test_those_are_blamed_whose_calls_failed_before_it_opened() -> None:
    ann, bob = ("ann", "task-1"), ("bob", "task-2")
    made = Breakers()
    for party in (bob, *[ann] * (IN_A_ROW - 1)):
        assert not made.is_open(B, M)
        made.failed(B, M, 0.0, "boom", party)
    assert made.blamed(B, M) == {ann, bob}
    close_after(made, FIRST_PAUSE)
    for _ in range(IN_A_ROW):
        made.failed(B, M, FIRST_PAUSE, "boom", ann)
    assert made.blamed(B, M) == {ann}, "what was before it closed is over"


def test_who_failed_long_before_the_row_is_not_blamed() -> None:
    ann, bob = ("ann", "task-1"), ("bob", "task-2")
    made = Breakers()
    made.failed(B, M, 0.0, "boom", bob)
    made.succeeded(B, M, 0.0)
    for _ in range(IN_A_ROW):
        made.failed(B, M, 0.0, "boom", ann)
    assert made.blamed(B, M) == {ann}


def test_a_success_in_between_begins_the_row_anew() -> None:
    assert not told([False] * (IN_A_ROW - 1) + [True] + [False] * (IN_A_ROW - 1)).is_open(B, M)


def test_half_of_the_calls_failing_opens_it_once_there_were_enough() -> None:
    assert not told([False, True] * (FEWEST // 2 - 1)).is_open(B, M)
    assert told([False, True] * (FEWEST // 2 - 1) + [True, False]).is_open(B, M)


def test_a_failure_now_and_then_does_not() -> None:
    assert not told([False, True, True] * 50).is_open(B, M)


def test_models_and_backends_are_told_apart() -> None:
    made = told([False] * IN_A_ROW)
    assert not made.is_open(B, "other") and not made.is_open("two", M)


def test_while_it_is_open_nothing_but_its_probe_counts() -> None:
    made = told([False] * IN_A_ROW)
    assert made.due(FIRST_PAUSE - 0.1) == [] and not made.probe(B, M, FIRST_PAUSE - 0.1)
    made.succeeded(B, M, 1.0)
    assert made.is_open(B, M), "a call that was under way says nothing of now"
    assert made.due(FIRST_PAUSE) == [(B, M)]
    assert made.probe(B, M, FIRST_PAUSE)
    assert not made.probe(B, M, FIRST_PAUSE), "only one"
    assert made.due(FIRST_PAUSE + 100) == [] and made.is_open(B, M)
    made.succeeded(B, M, FIRST_PAUSE)
    assert made.is_open(B, M)
    made.probed(B, M, FIRST_PAUSE, None)
    assert not made.is_open(B, M)


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_bound() -> None:
    made, now, pause = told([False] * IN_A_ROW), 0.0, FIRST_PAUSE
    for _ in range(8):
        now += pause
        assert made.due(now - 0.01) == []
        assert made.probe(B, M, now)
        made.probed(B, M, now, "still")
        pause = min(2 * pause, LAST_PAUSE)
        (shown,) = made.snapshot()
        assert (shown.condition, shown.why) == (Condition.OPEN, "still")
        assert shown.until == now + pause
    assert pause == LAST_PAUSE


def close_after(made: Breakers, now: float) -> None:
    assert made.probe(B, M, now)
    made.probed(B, M, now, None)


def break_again(made: Breakers, now: float) -> float:
    """Fails until it opens; gives how long it is open for."""
    while not made.failed(B, M, now, "boom"):
        pass
    return made.snapshot()[0].until - now


def test_one_that_breaks_again_soon_is_left_alone_for_longer() -> None:
    made = told([False] * IN_A_ROW)
    close_after(made, FIRST_PAUSE)
    assert break_again(made, FIRST_PAUSE + 1) == 2 * FIRST_PAUSE


def test_one_that_was_well_for_a_while_begins_anew() -> None:
    made = told([False] * IN_A_ROW)
    close_after(made, FIRST_PAUSE)
    assert break_again(made, FIRST_PAUSE + LAST_PAUSE) == FIRST_PAUSE


def test_a_failed_check_opens_it_at_once() -> None:
    made = Breakers()
    made.trip(B, M, 0.0, "no token")
    assert made.is_open(B, M)
    made.trip(B, M, 1.0, "again")
    assert made.snapshot()[0].until == FIRST_PAUSE, "it is open already"


def test_what_is_well_takes_no_memory() -> None:
    made = told([True] * 100)
    assert made.snapshot() == ()
    made = told([False] + [True] * WINDOW)
    assert made.snapshot() == ()


def test_a_model_that_is_gone_is_forgotten() -> None:
    made = told([False] * IN_A_ROW)
    made.failed("two", M, 0.0, "boom")
    made.keep(B, ["other"])
    assert [each.backend for each in made.snapshot()] == ["two"]


class BreakerMachine(RuleBasedStateMachine):
    """A ledger of outcomes beside the breakers, with no state of its own but what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breakers = Breakers()
        self.outcomes: dict[str, list[bool]] = {"m": [], "n": []}  # since it was last closed
        self.opened: dict[str, float] = {}
        self.probing: set[str] = set()

    models = st.sampled_from(("m", "n"))

    @rule(model=models, good=st.booleans())
    def call_ends(self, model: str, good: bool) -> None:
        was_open = self.breakers.is_open(B, model)
        if good:
            self.breakers.succeeded(B, model, self.now)
        else:
            opened = self.breakers.failed(B, model, self.now, "boom")
            assert opened == (self.breakers.is_open(B, model) and not was_open)
            if opened:
                self.opened[model] = self.now
        if was_open:
            assert self.breakers.is_open(B, model), "only a probe closes it"
            return
        self.note(model, good)
        if self.breakers.is_open(B, model):
            self.was_right_to_open(self.outcomes[model])

    def note(self, model: str, good: bool) -> None:
        outcomes = self.outcomes[model]
        outcomes.append(good)
        if all(outcomes[-WINDOW:]) and (len(outcomes) >= WINDOW or all(outcomes)):
            outcomes.clear()  # nothing has failed of late: it is as well as new

    def was_right_to_open(self, outcomes: list[bool]) -> None:
        recent = outcomes[-WINDOW:]
        row = not any(outcomes[-IN_A_ROW:]) and len(outcomes) >= IN_A_ROW
        share = recent.count(False) / len(recent)
        assert row or (len(recent) >= FEWEST and share >= SHARE)

    @rule(seconds=st.sampled_from((0.5, FIRST_PAUSE, 31.0, LAST_PAUSE)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(model=models)
    def probe(self, model: str) -> None:
        due = (B, model) in self.breakers.due(self.now)
        admitted = self.breakers.probe(B, model, self.now)
        assert admitted == due
        if admitted:
            assert model not in self.probing, "two probes at once"
            assert self.now - self.opened[model] >= FIRST_PAUSE
            self.probing.add(model)

    @precondition(lambda self: self.probing)
    @rule(data=st.data(), good=st.booleans())
    def probe_ends(self, data: st.DataObject, good: bool) -> None:
        model = data.draw(st.sampled_from(sorted(self.probing)))
        self.probing.discard(model)
        self.breakers.probed(B, model, self.now, None if good else "still")
        assert self.breakers.is_open(B, model) is not good
        if good:
            self.outcomes[model] = []
        else:
            self.opened[model] = self.now

    @invariant()
    def an_open_one_is_due_in_time(self) -> None:
        for shown in self.breakers.snapshot():
            if shown.condition is Condition.OPEN:
                assert shown.until - self.opened[shown.model] <= LAST_PAUSE
            assert (shown.condition is Condition.HALF_OPEN) == (shown.model in self.probing)

    @invariant()
    def bad_calls_do_open_it(self) -> None:
        for model, outcomes in self.outcomes.items():
            if len(outcomes) >= IN_A_ROW and not any(outcomes[-IN_A_ROW:]):
                assert self.breakers.is_open(B, model)


TestBreakersWhateverHappens = BreakerMachine.TestCase
TestBreakersWhateverHappens.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None
)
