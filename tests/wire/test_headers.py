"""Headers: any case, several values, never changed."""

from __future__ import annotations

from sutazai.wire import Headers

HEADERS = Headers([("Accept", "a"), ("X-One", "1"), ("accept", "b")])


def test_names_are_found_in_any_case_and_the_first_value_wins() -> None:
    assert HEADERS.get("ACCEPT") == "a"
    assert HEADERS.getall("aCCept") == ["a", "b"]
    assert "x-one" in HEADERS and "x-two" not in HEADERS
    assert HEADERS.get("x-two") is None and HEADERS.get("x-two", "2") == "2"


def test_pairs_come_out_as_they_were_sent() -> None:
    assert list(HEADERS) == [("Accept", "a"), ("X-One", "1"), ("accept", "b")]
    assert len(HEADERS) == 3


def test_a_changed_copy_leaves_the_first_alone() -> None:
    assert list(HEADERS.without("Accept", "X-Two")) == [("X-One", "1")]
    assert list(HEADERS.with_("ACCEPT", "c")) == [("X-One", "1"), ("ACCEPT", "c")]
    assert len(HEADERS) == 3


def test_values_are_not_printed_because_some_are_secret() -> None:
    assert "secret" not in repr(Headers([("Authorization", "Bearer secret")]))
