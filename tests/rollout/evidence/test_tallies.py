"""Counts add up to what one count of everything would have been."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.rollout.evidence.delivered import SLICES_MOST, Delivered, Evidence, Slice, coarser
from sutazai.rollout.evidence.tallies import Latencies, Moments, Tally

VALUES = st.lists(st.floats(-1e6, 1e6), max_size=30)
SECONDS = st.lists(st.floats(0, 1e5), max_size=50)


@given(VALUES, VALUES)
def test_moments_of_two_are_those_of_both(first: list[float], second: list[float]) -> None:
    together = Moments.of(first) + Moments.of(second)
    whole = Moments.of(first + second)

    assert together.count == whole.count
    assert together.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-6)
    assert together.squares == pytest.approx(whole.squares, rel=1e-6, abs=1e-3)


@given(SECONDS, SECONDS)
def test_latencies_of_two_are_those_of_both(first: list[float], second: list[float]) -> None:
    assert Latencies.of(first) + Latencies.of(second) == Latencies.of(first + second)


@given(st.lists(st.floats(0.002, 1e4), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_quantile_is_right_within_a_bucket(seconds: list[float], share: float) -> None:
    rank = max(-(-share * len(seconds) // 1), 1)
    exact = sorted(seconds)[int(rank) - 1]

    assert Latencies.of(seconds).quantile(share) == pytest.approx(exact, rel=0.045)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Tally(1, 2)
    with pytest.raises(ValueError, match="buckets"):
        Latencies({-1: 1})
    with pytest.raises(ValueError, match="finite"):
        Moments(1, float("nan"))
    with pytest.raises(ValueError, match="stage 6 of 5"):
        Evidence(6, 5)
    with pytest.raises(ValueError, match="exposure"):
        Delivered(exposure=-1)


def test_a_long_stage_is_made_coarser_and_loses_nothing() -> None:
    one = Slice(Delivered(requests=Tally(3, 1)), Delivered(requests=Tally(2)))
    many = (one,) * (SLICES_MOST + 1)
    with pytest.raises(ValueError, match="coarser"):
        Evidence(1, 1, many)

    fewer = coarser(many)

    assert len(fewer) == (SLICES_MOST + 2) // 2
    assert sum(each.green.requests.of for each in fewer) == 3 * len(many)
    assert Evidence(1, 1, fewer)
