"""YAML is read with exact places, and what is not YAML is refused in plain words."""

from __future__ import annotations

import pytest

from sutazai.fleet.document import read_document
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.yaml_nodes import DEPTH_MAX, NODES_MAX


def _read(text: str) -> object:
    document = read_document(text, "f.yaml")
    assert document.problems == ()
    return document.data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-12", -12),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("10:30", "10:30"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("512MiB", "512MiB"),
        ("=", "="),
    ],
)
def test_scalars_mean_what_the_core_schema_says(text: str, value: object) -> None:
    assert _read(f"key: {text}") == {"key": value}


def test_anchors_aliases_and_merges_say_things_once() -> None:
    text = """
base: &base {a: 1, b: [2, 3]}
same: *base
more: {<<: *base, a: 9}
both: {<<: [*base, {b: 0, c: 4}]}
"""

    assert _read(text) == {
        "base": {"a": 1, "b": [2, 3]},
        "same": {"a": 1, "b": [2, 3]},
        "more": {"a": 9, "b": [2, 3]},
        "both": {"a": 1, "b": [2, 3], "c": 4},
    }


def test_every_key_and_value_has_its_place() -> None:
    positions = read_document("a:\n  b: 1\n  c:\n    - x\n    - y: z\n", "f.yaml").positions

    assert positions.of_key(("a",)) == (1, 1)
    assert positions.of_value(("a", "b")) == (2, 6)
    assert positions.of_value(("a", "c")) == (3, 3)
    assert positions.of_value(("a", "c", 0)) == (4, 7)
    assert positions.of_key(("a", "c", 1, "y")) == (5, 7)


def test_what_nobody_wrote_is_at_the_nearest_thing_around_it() -> None:
    positions = read_document("\na:\n  b: 1\n", "f.yaml").positions

    assert positions.of_value(("a", "missing", "deeper")) == (2, 1)
    assert positions.of_value(("elsewhere",)) == (2, 1)


def test_an_alias_is_where_it_stands_and_its_keys_where_they_were_written() -> None:
    positions = read_document("one: &it\n  key: 1\ntwo: *it\n", "f.yaml").positions

    assert positions.of_value(("two",)) == (3, 6)
    assert positions.of_key(("two", "key")) == (2, 3)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "1:1", "the file is empty"),
        ("# nothing but a comment\n", "1:1", "the file is empty"),
        ("---\n", "1:1", "the file is empty"),
        ("a: 1\n\tb: 2\n", "2:1", "a tab cannot indent"),
        ("a: b: c\n", "1:5", "a `:` cannot stand here"),
        ("a: 1\n b: 2\n", "2:3", "a `:` cannot stand here"),
        ("a: [1, 2\n", "1:4", "a `,` or the closing `]` is missing"),
        ("a: {b: 1\n", "1:4", "a `,` or the closing `}` is missing"),
        ("a: 'text\n", "1:4", "the closing quote is missing"),
        ("a: @b\n", "1:4", "this character cannot begin a value"),
        ("- a\nb: 1\n", "2:1", "does not line up"),
        ('a: "\\q"\n', "1:6", "this escape means nothing"),
        ('a: "\\U99999999"\n', "1:2", "is no character"),
        ("a: \x00\n", "1:4", "a control character"),
        ("a: *b\n", "1:4", "`*b` stands for nothing"),
        ("a: &a [*a]\n", "1:8", "`*a` stands within what it stands for"),
        ("a: 1\n---\nb: 2\n", "2:1", "one document only"),
        ("%YAML 9.9\n---\na: 1\n", "1:1", "this is not YAML: found incompatible"),
        ("a: |x\n", "1:5", "this is not YAML: expected chomping"),
    ],
)
def test_what_is_not_yaml_is_refused_where_it_stands(text: str, place: str, words: str) -> None:
    with pytest.raises(BadFleet) as caught:
        read_document(text, "f.yaml")

    assert str(caught.value).startswith(f"f.yaml:{place}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1", "`a` stands here twice; first on line 1"),
        ("a: .inf\n", "1:4", "a number must be finite"),
        ("a: .nan\n", "1:4", "a number must be finite"),
        ("a: 1e999\n", "1:4", "a number must be finite"),
        (f"a: {'9' * 5000}\n", "1:4", "this number is too large"),
        ("a: !python/name:os.system x\n", "1:4", "the tag !python/name:os.system means nothing"),
        ("a: !!set {x}\n", "1:4", "the tag !!set means nothing"),
        ("[a]: 1\n", "1:1", "a key must be a text"),
        ("<<: 5\n", "1:5", "`<<` merges keys with values"),
        ('a: "\\ud800"\n', "1:4", "half a character"),
        ('"\\ud800": a\n', "1:1", "half a character"),
    ],
)
def test_what_is_yaml_but_no_data_is_a_problem_among_others(
    text: str, place: str, words: str
) -> None:
    (problem,) = read_document(text, "f.yaml").problems

    assert f"{problem.line}:{problem.column}" == place
    assert words in problem.message


@pytest.mark.parametrize("opening", ["[", "{", "- ", "? ", "[a, {b: "])
def test_deep_nesting_is_bounded(opening: str) -> None:
    with pytest.raises(BadFleet, match=f"deeper than {DEPTH_MAX} levels"):
        read_document(opening * 20_000, "f.yaml")


@pytest.mark.parametrize(
    "line",
    [
        "a{next}: &a{next} [*a{this}, *a{this}, *a{this}]",
        "a{next}: &a{next} {{x: *a{this}, y: *a{this}, z: *a{this}}}",
        "a{next}: &a{next} {{<<: [*a{this}, *a{this}, *a{this}]}}",
    ],
)
def test_aliases_cannot_blow_a_small_file_up(line: str) -> None:
    lines = [line.format(this=number, next=number + 1) for number in range(25)]

    with pytest.raises(BadFleet, match=f"more than {NODES_MAX:,} keys"):
        read_document("\n".join(["a0: &a0 {x: 1}", *lines]), "f.yaml")


def test_a_long_chain_of_merges_is_bounded() -> None:
    lines = [f"a{number + 1}: &a{number + 1} {{<<: *a{number}}}" for number in range(2000)]

    with pytest.raises(BadFleet, match="nests deeper"):
        read_document("\n".join(["a0: &a0 {x: 1}", *lines]), "f.yaml")
