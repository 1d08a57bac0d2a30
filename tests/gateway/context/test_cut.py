"""Prompts that a backend has cut, and counts that only look so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.gateway.context.cut import Reading, judge
from sutazai.gateway.context.estimate import Estimate

WHOLE, CUT, UNSAID = Reading


def about(tokens: int, error: float = 0.1) -> Estimate:
    return Estimate(tokens, error)


@pytest.mark.parametrize("reported", [3000, 2600, 4000, 9000])
def test_a_count_near_the_estimate_is_of_the_whole_prompt(reported: int) -> None:
    assert judge(about(3000), reported, 4096) is WHOLE
    assert judge(about(3000), reported, None) is WHOLE


@pytest.mark.parametrize(
    ("version", "reported"),
    [
        ("older ones fill the context", 4096),
        ("for a while all but one token", 4095),
        ("newer ones fill half of it", 2050),
        ("and keep the sign of the beginning, too", 2051),
        ("whole turns were enough", 3500),
    ],
)
def test_what_a_cut_leaves_is_seen(version: str, reported: int) -> None:
    assert judge(about(8700), reported, 4096) is CUT, version


@pytest.mark.parametrize("reported", [1026, 2048, 2050, 4095, 4096, 16_387])
def test_so_it_is_where_the_context_is_not_known_but_usual(reported: int) -> None:
    assert judge(about(160_000), reported, None) is CUT


def test_a_cut_of_a_prompt_that_is_hardly_too_long_is_seen_by_its_exact_count() -> None:
    assert judge(about(4600), 4096, 4096) is CUT
    assert judge(about(4600), 4000, 4096) is WHOLE, "the estimate may be wrong by as much"


def test_where_the_prompt_may_fit_nothing_was_cut() -> None:
    assert judge(about(4200), 4096, 4096) is WHOLE
    assert judge(about(5000, error=0.5), 4090, 4096) is WHOLE


@pytest.mark.parametrize("context", [4096, 8192, None])
def test_a_server_that_leaves_out_what_it_had_cached_has_not_cut(context: int | None) -> None:
    assert judge(about(3800), 40, context) is UNSAID
    assert judge(about(3800), 1700, context) is UNSAID


def test_too_few_for_a_cut_are_what_was_read_anew() -> None:
    assert judge(about(8700), 300, 4096) is UNSAID


@pytest.mark.parametrize("reported", [0, -1])
def test_no_count_says_nothing(reported: int) -> None:
    assert judge(about(8700), reported, 4096) is UNSAID


def test_more_than_the_context_means_that_the_context_is_another() -> None:
    assert judge(about(8700), 8500, 4096) is WHOLE


@given(
    st.integers(1, 400_000), st.floats(0.0, 0.8), st.integers(0, 400_000), st.integers(256, 300_000)
)
def test_only_what_is_too_long_without_doubt_was_cut(
    tokens: int, error: float, reported: int, context: int
) -> None:
    estimate = Estimate(tokens, error)
    if judge(estimate, reported, context) is CUT:
        assert estimate.low > context >= reported >= context // 2


@given(st.integers(1, 400_000), st.floats(0.05, 0.8), st.integers(256, 300_000), st.floats(0, 1))
def test_an_honest_count_within_the_error_is_never_called_cut(
    tokens: int, error: float, context: int, place: float
) -> None:
    estimate = Estimate(tokens, error)
    honest = round(estimate.low + place * (estimate.high - estimate.low))
    if honest <= context:  # else a backend that answers has cut it
        assert judge(estimate, honest, context) is not CUT
