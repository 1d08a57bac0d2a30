"""What our processes tell is read back as samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.errors import BadInput
from sutazai.observe.prometheus.parsing import Parser, parse_labels
from sutazai.observe.samples import Sample
from sutazai.wire.exposition import Table, families, gauge, labels, plain

Thing = tuple[str, str, float]
TABLE: Table[Thing] = [
    gauge("things", "What.", lambda one: [(labels(name=one[0], kind=one[1]), one[2])]),
    gauge("first", "One.", plain(lambda one: one[2])),
]
names = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(names, names, st.floats(allow_nan=False)), min_size=1, max_size=10))
def test_samples_are_read_as_they_were_told(things: list[Thing]) -> None:
    text = b"".join(families(TABLE, things)).decode()
    parser = Parser()

    for _ in range(2):  # the second time it remembers
        assert [*parser.samples(text)] == [
            *(
                Sample("things", (("kind", kind), ("name", name)), value)
                for name, kind, value in things
            ),
            *(Sample("first", (), value) for _, _, value in things),
        ]


@pytest.mark.parametrize(
    "line", ["nonsense", 'a{b="c} 1', "a{b=c} 1", "a one", 'a{b="c"x} 1', "", "{} {}", " 1"]
)
def test_a_line_that_cannot_be_read_hides_no_other(line: str) -> None:
    assert [*Parser().samples(f"{line}\nok 1\n")] == [Sample("ok", (), 1.0)]


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert all(isinstance(sample.value, float) for sample in Parser().samples(text))


def test_labels_are_read_as_people_write_them() -> None:
    assert parse_labels("") == {}
    assert parse_labels(r'agent="a \"b\" \\ \n",kind="x"') == {"agent": 'a "b" \\ \n', "kind": "x"}
    with pytest.raises(BadInput, match="no labels"):
        parse_labels("agent=planner")
