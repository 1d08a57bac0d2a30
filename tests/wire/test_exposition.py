"""Prometheus's text format, read back by its own parser."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sutazai.wire.exposition import Table, counter, families, gauge, histogram, labels, plain
from sutazai.wire.process import own_families


def text(table: Table[str], *things: str) -> str:
    return b"".join(families(table, things)).decode()


@given(st.text())
def test_any_text_can_be_a_label(value: str) -> None:
    table: Table[str] = [gauge("a", "What it is.", lambda one: [(labels(name=one), 1)])]

    (family,) = text_string_to_metric_families(text(table, value))

    assert family.samples[0].labels == {"name": value}


@given(st.text(max_size=20))
def test_any_text_can_be_a_meaning(meaning: str) -> None:
    table: Table[str] = [gauge("a", meaning, plain(lambda _: 1)), gauge("b", "x", lambda _: ())]
    assert len([*text_string_to_metric_families(text(table, ""))]) == 2


def test_a_family_has_the_values_of_all_things() -> None:
    table: Table[str] = [
        counter("calls_total", "Calls.", lambda one: [(labels(of=one), len(one))]),
        gauge("seen", "Whether.", plain(lambda one: None if one == "bb" else 1.5)),
    ]

    assert text(table, "a", "bb") == (
        "# HELP calls_total Calls.\n# TYPE calls_total counter\n"
        'calls_total{of="a"} 1\ncalls_total{of="bb"} 2\n'
        "# HELP seen Whether.\n# TYPE seen gauge\n"
        "seen 1.5\n"
    )


def test_buckets_of_a_histogram_add_up() -> None:
    table: Table[str] = [
        histogram("s", "Seconds.", (0.5, 2.0), lambda one: (labels(of=one), [1, 0, 3], 9.5))
    ]

    (family,) = text_string_to_metric_families(text(table, "x"))

    found = {(sample.name, sample.labels.get("le")): sample.value for sample in family.samples}
    assert found == {
        ("s_bucket", "0.5"): 1.0,
        ("s_bucket", "2.0"): 1.0,
        ("s_bucket", "+Inf"): 4.0,
        ("s_sum", None): 9.5,
        ("s_count", None): 4.0,
    }


def test_a_process_tells_of_itself() -> None:
    told = [*text_string_to_metric_families(b"".join(own_families("me")).decode())]

    assert [family.samples[0].labels for family in told] == [{"process": "me"}] * 2
    assert all(family.samples[0].value > 0 for family in told)
