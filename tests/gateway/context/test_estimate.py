"""What is guessed of prompts, and how the guesses grow better."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.gateway.context.estimate import (
    FIRST_ERROR,
    HIGHEST,
    LARGEST_ERROR,
    LEARN_FROM,
    LEAST_ERROR,
    LOWEST,
    PER_ASCII,
    PER_IMAGE,
    PER_OTHER,
    Estimator,
    non_ascii_in,
)

M = "some-model"

counts = st.integers(0, 10**7)
lessons = st.lists(st.tuples(counts, counts, st.integers(-5, 10**7)), max_size=60)


def learned(*reports: tuple[int, int, int]) -> Estimator:
    estimator = Estimator()
    for chars, non_ascii, reported in reports:
        estimator.learn(M, chars, non_ascii, reported)
    return estimator


def test_the_first_guess_is_that_of_common_tokenizers() -> None:
    estimator = Estimator()
    assert estimator.tokens(M, 10_000) == 2600
    assert estimator.tokens(M, 1000, 1000) == 900
    assert estimator.estimate(M, 0, images=2).tokens == 2 * PER_IMAGE
    assert estimator.estimate(M, 10_000).error == FIRST_ERROR


def test_a_model_is_learned_from_what_its_backend_reports() -> None:
    estimator = learned(*[(10_000, 0, 3500)] * 40)
    assert estimator.tokens(M, 20_000) == pytest.approx(7000, rel=0.01)
    assert estimator.estimate(M, 20_000).error == LEAST_ERROR
    assert estimator.tokens("another", 20_000) == 5200


def test_one_report_already_helps_and_a_few_make_sure() -> None:
    assert learned((10_000, 0, 3500)).tokens(M, 10_000) == pytest.approx(3500, rel=0.01)
    errors = [learned(*[(10_000, 0, 3500)] * n).estimate(M, 1).error for n in (1, 2, 5, 20)]
    assert errors == sorted(errors, reverse=True)


def test_prose_teaches_nothing_about_chinese_and_both_are_learned_of_mixtures() -> None:
    prose = learned(*[(10_000, 0, 4000)] * 40)
    assert prose.tokens(M, 1000, 1000) == 900
    rng = random.Random(1)
    mixed = []
    for _ in range(400):
        ascii_, others = rng.randint(1000, 9000), rng.randint(1000, 9000)
        mixed.append((ascii_ + others, others, round(ascii_ * 0.2 + others * 1.4)))
    estimator = learned(*mixed)
    assert estimator.tokens(M, 10_000) == pytest.approx(2000, rel=0.15)
    assert estimator.tokens(M, 10_000, 10_000) == pytest.approx(14_000, rel=0.1)


def test_the_error_covers_nineteen_of_twenty_prompts() -> None:
    rng = random.Random(2)
    estimator, outside = Estimator(), 0
    for number in range(2000):
        chars = rng.randint(2000, 50_000)
        reported = round(chars * 0.24 * rng.gauss(1.0, 0.08))
        estimate = estimator.estimate(M, chars)
        if number >= 100:
            outside += not estimate.low <= reported <= estimate.high
        estimator.learn(M, chars, 0, reported)
    assert outside / 1900 < 0.05
    assert estimator.estimate(M, 1).error < 0.3


def test_reports_far_off_change_nothing() -> None:
    estimator = learned(*[(10_000, 0, 2600)] * 20)
    before = estimator.estimate(M, 10_000)
    for report in (0, -1, 12, 500, 10**6):
        estimator.learn(M, 10_000, 0, report)
    assert estimator.estimate(M, 10_000) == before


@pytest.mark.parametrize("report", [1200, 9000])
def test_one_mad_report_changes_little(report: int) -> None:
    estimator = learned(*[(10_000, 0, 2600)] * 20)
    estimator.learn(M, 10_000, 0, report)
    assert estimator.tokens(M, 10_000) == pytest.approx(2600, rel=0.06)


def test_short_prompts_are_mostly_template_and_not_learned_from() -> None:
    chars = int(LEARN_FROM / PER_ASCII) - 10
    assert learned(*[(chars, 0, 300)] * 20).tokens(M, 10_000) == 2600


def test_a_server_that_often_leaves_out_what_it_had_cached_is_not_believed() -> None:
    rng = random.Random(3)
    estimator = learned(*[(10_000, 0, 2600)] * 10)
    for _ in range(500):
        estimator.learn(M, 10_000, 0, rng.choice((2600, 1900)))
    assert estimator.tokens(M, 10_000) > 2300


def test_a_model_is_forgotten() -> None:
    estimator = learned(*[(10_000, 0, 3500)] * 40)
    estimator.forget(M)
    estimator.forget(M)
    assert estimator.tokens(M, 10_000) == 2600


@given(lessons, counts, counts, counts, counts)
def test_estimates_grow_with_prompts_whatever_was_learned(
    reports: list[tuple[int, int, int]], chars: int, others: int, more: int, more_others: int
) -> None:
    estimator = learned(*reports)
    one = estimator.estimate(M, chars + others, others)
    two = estimator.estimate(M, chars + more + others + more_others, others + more_others)
    assert 0 <= one.low <= one.tokens <= one.high
    assert one.tokens <= two.tokens
    assert one.low <= two.low
    assert one.high <= two.high


@given(lessons, counts, counts)
def test_what_is_learned_stays_within_bounds(
    reports: list[tuple[int, int, int]], chars: int, others: int
) -> None:
    estimate = learned(*reports).estimate(M, chars + others, others)
    first = chars * PER_ASCII + others * PER_OTHER
    assert int(first * LOWEST) <= estimate.tokens <= first * HIGHEST + 1
    assert LEAST_ERROR <= estimate.error <= LARGEST_ERROR


@given(st.integers(0, 1000), st.integers(-1000, 2000))
def test_more_other_characters_than_characters_are_no_more_than_all(chars: int, n: int) -> None:
    assert Estimator().tokens(M, chars, n) == Estimator().tokens(M, chars, min(max(n, 0), chars))


# counting


TEXTS = [
    ("", 0), ("hello", 0), ("é", 1), ("naïve", 1), ("你好", 2), ("привет, мир", 9), ("🙂", 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "count"), TEXTS)
def test_characters_beyond_ascii_are_counted_as_they_come(text: str, count: int) -> None:
    assert non_ascii_in(json.dumps({"prompt": text}, ensure_ascii=False).encode()) == count


def test_and_so_they_are_where_the_client_escapes_them() -> None:
    assert non_ascii_in(json.dumps({"prompt": "你好, é"}).encode()) == 3


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_however_they_come_they_are_as_many(text: str) -> None:
    count = sum(char > "\x7f" for char in text)
    plain = text.replace("\\", "")
    assert non_ascii_in(json.dumps(plain, ensure_ascii=False).encode()) == count
    assert non_ascii_in(json.dumps(plain).encode()) >= count
