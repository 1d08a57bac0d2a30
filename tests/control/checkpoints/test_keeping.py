"""Which checkpoints are kept, and when the next is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sutazai.control.checkpoints.keeping import (
    AGAIN,
    due,
    name_of,
    newest_first,
    no_later,
    surplus,
    time_of,
)

NAMES = [name_of("shop", 1_800_000_000.0 - 3600 * age, f"t{age}") for age in range(6)]


def test_a_name_tells_its_time_and_names_of_others_are_told_apart() -> None:
    other = name_of("shop-two", 1_800_000_000.0, "x")

    assert time_of(NAMES[1]) == 1_800_000_000.0 - 3600
    assert time_of("something-else") is None
    assert time_of("shop-20261399T000000Z-x") is None
    assert newest_first([*reversed(NAMES), other, "notes"], "shop") == NAMES
    assert newest_first([other, "notes"]) == [other]


def test_the_oldest_go() -> None:
    assert surplus(NAMES, dict.fromkeys(NAMES, True), 4, NAMES[0]) == NAMES[4:]
    assert surplus(NAMES, dict.fromkeys(NAMES, True), 6, NAMES[0]) == []
    assert surplus(NAMES, dict.fromkeys(NAMES, True), 1, NAMES[0]) == NAMES[1:]


def test_a_damaged_one_is_not_counted() -> None:
    good = {name: name not in NAMES[1:4] for name in NAMES}

    assert surplus(NAMES, good, 2, NAMES[0]) == NAMES[5:]


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(1, 5), st.data())
def test_as_many_good_ones_stay_as_are_to_be_kept(
    verdicts: list[bool], keep: int, data: st.DataObject
) -> None:
    names = [f"n{number}" for number in range(len(verdicts))]
    made = data.draw(st.sampled_from(names))
    good = {**dict(zip(names, verdicts, strict=True)), made: True}

    gone = surplus(names, good, keep, made)

    stay = [name for name in names if name not in gone and good[name]]
    assert made not in gone
    assert len(stay) >= min(keep, sum(good.values()))


def test_the_next_is_due_after_its_time_or_sooner_where_it_failed() -> None:
    assert due(None, None, 3600.0) == 0.0
    assert due(1000.0, None, 3600.0) == 4600.0
    assert due(1000.0, 5000.0, 3600.0) == 5000.0 + AGAIN
    assert due(1000.0, 5000.0, 10.0) == 5010.0


def test_a_clock_that_was_set_back_keeps_nothing_waiting_for_long() -> None:
    assert no_later(None, 1000.0) is None
    assert no_later(900.0, 1000.0) == 900.0
    assert due(no_later(1_000_000.0, 1000.0), None, 3600.0) == 4600.0
