"""The figures of the last minutes."""

from __future__ import annotations

import pytest

from sutazai.gateway.records.summary import Recent
from tests.gateway.records.makers import NOW, call


def test_where_nobody_called_all_is_nought() -> None:
    summary = Recent().summary(NOW)

    assert (summary.calls, summary.calls_per_minute, summary.wait.p95) == (0, 0.0, 0.0)
    assert summary.tokens_per_second == {}


def test_the_calls_of_five_minutes_count() -> None:
    recent = Recent()
    recent.observe([call(at=NOW - 400, total=10.0)])
    for second in range(100):
        recent.observe(
            [call(at=NOW - 100 + second, queued=second / 100, total=1.0, completion_tokens=30)]
        )
    recent.observe([call(at=NOW, total=0.0, outcome="rejected", backend="", queued=0.0)])

    summary = recent.summary(NOW)

    assert summary.window == 300.0
    assert summary.calls == 101
    assert summary.calls_per_minute == pytest.approx(101 / 5)
    assert (summary.wait.p50, summary.wait.p95) == (0.49, 0.94)
    assert (summary.total.p50, summary.total.p95) == (1.0, 1.0)
    assert summary.tokens_per_second == {"one": 10.0}


def test_where_there_are_more_than_it_remembers_it_looks_back_less_far() -> None:
    recent = Recent(limit=100)
    for number in range(1_000):
        recent.observe([call(at=NOW - 10 + number / 100, total=0.0)])

    summary = recent.summary(NOW)

    assert summary.window == pytest.approx(1.0)
    assert summary.calls_per_minute == pytest.approx(6_000)
