"""A backlog is read the way people write one, or refused with a reason."""

from __future__ import annotations

import pytest

from sutazai.fleet.errors import BadInput
from sutazai.tasks.backlog import checked_backlog, parse_backlog


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("one\n\n two  words \n", ("one", "two words")),
        ("# Heading\nfirst\nsecond\n", ("first", "second")),
        ("- a\n* b\n+ c\n", ("a", "b", "c")),
        ("1. a\n2) b\n10. c", ("a", "b", "c")),
        ("Intro that is no item.\n\n- a\n- b\n\nOutro.", ("a", "b")),
        (
            "- [ ] open\n- [x] done\n  more of what is done\n- [X] done too\n- other",
            ("open", "other"),
        ),
        (
            "- a\n  goes on\n  - nested one\n  - nested two\n- b",
            ("a goes on - nested one - nested two", "b"),
        ),
        ("  - a\n  - b", ("a", "b")),
        ('["a", "b"]', ("a", "b")),
        ('[{"title": "a", "detail": "d"}, {"title": "b"}]', ("a: d", "b")),
        (
            "[link](https://example.org) to read\nsecond",
            ("[link](https://example.org) to read", "second"),
        ),
        ("Über größe\n日本語", ("Über größe", "日本語")),
        ("a\r\nb\r\n", ("a", "b")),
    ],
)
def test_items_are_found_in_every_form(text: str, items: tuple[str, ...]) -> None:
    assert parse_backlog(text) == items


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no items"),
        ("  \n\n", "no items"),
        ("# only a heading", "no items"),
        ("- [x] all done", "no items"),
        ("[]", "no items"),
        ('["a", 1]', "item 2 of the backlog is not a text"),
        ('["a", " "]', "item 2 of the backlog is empty"),
        ('["a", "b]', "not a JSON list"),
        ("[" * 5000 + "]" * 5000, "not a JSON list"),
        ("\n".join(["x"] * 201), "201 items"),
        ("x" * (64 * 1024 + 1), "larger than 64 KiB"),
        ("ü" * (32 * 1024 + 1), "larger than 64 KiB"),
    ],
)
def test_what_is_no_backlog_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as caught:
        parse_backlog(text)
    assert caught.value.hint is not None


def test_a_backlog_at_its_bounds_is_taken() -> None:
    assert len(parse_backlog("\n".join(["x"] * 200))) == 200
    assert checked_backlog(["x" * 64 * 1024]) == ("x" * 64 * 1024,)
