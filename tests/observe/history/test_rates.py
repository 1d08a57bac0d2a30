"""Counters are kept as what they grew a second."""

from __future__ import annotations

from sutazai.observe.history.rates import Rates
from sutazai.observe.samples import Sample

A = (("agent", "a"),)


def test_a_counter_is_told_from_its_second_look_on() -> None:
    rates = Rates()
    assert [*rates.told([Sample("calls_total", A, 100.0)], 5.0)] == []
    assert [*rates.told([Sample("calls_total", A, 130.0)], 15.0)] == [Sample("calls_total", A, 3.0)]
    assert [*rates.told([Sample("calls_total", A, 130.0)], 25.0)] == [Sample("calls_total", A, 0.0)]


def test_a_counter_that_begins_anew_is_left_out_once() -> None:
    rates = Rates()
    told = [
        [sample.value for sample in rates.told([Sample("calls_total", A, value)], now)]
        for now, value in ((0.0, 50.0), (10.0, 5.0), (20.0, 25.0))
    ]
    assert told == [[], [], [2.0]]


def test_a_gauge_is_told_as_it_is_and_what_is_no_number_is_not() -> None:
    samples = [Sample("memory_bytes", A, value) for value in (7.0, float("nan"), float("inf"))]
    assert [sample.value for sample in Rates().told(samples, 1.0)] == [7.0]
