"""What is kept of answers, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.gateway.dialects.neutral import Answer, Delta, End, ToolCall
from sutazai.gateway.sharing.cache import AnswerCache, Hit
from sutazai.gateway.sharing.keys import ShareKey

KIB = 1024
AGE = 60.0
ANSWER = Answer(Delta("hello", "hm", (ToolCall("f", "{}"),)), End("stop"))


def key(name: str, manner: bytes = b"") -> ShareKey:
    return ShareKey(name.encode(), name.encode() + manner)


def cache(size: int = 64 * KIB, age: float = AGE) -> AnswerCache:
    return AnswerCache(size, age)


def test_what_was_kept_comes_back_to_the_byte() -> None:
    kept = cache()
    assert kept.get(key("a"), 0.0) is None
    assert kept.put(key("a"), b"body", "stop", 0.0)
    assert kept.get(key("a"), 1.0) == Hit(b"body", None)
    assert (kept.hits, kept.misses) == (1, 1)


def test_the_other_manner_is_rendered_from_the_neutral_form() -> None:
    kept = cache()
    kept.put(key("a"), b"whole", "stop", 0.0, answer=ANSWER)
    assert kept.get(key("a", b"s"), 0.0) == Hit(None, ANSWER)
    kept.put(key("a", b"s"), b"streamed", "stop", 0.0)
    assert kept.get(key("a", b"s"), 0.0) == Hit(b"streamed", ANSWER)
    assert kept.get(key("a"), 0.0) == Hit(b"whole", ANSWER)
    assert len(kept) == 1


def test_without_a_neutral_form_the_other_manner_is_a_miss() -> None:
    kept = cache()
    kept.put(key("a"), b"whole with logprobs", "stop", 0.0)
    assert kept.get(key("a", b"s"), 0.0) is None
    assert (kept.hits, kept.misses) == (0, 1)


def test_a_neutral_form_that_comes_later_is_kept_too() -> None:
    kept = cache()
    kept.put(key("a", b"s"), b"streamed", "stop", 0.0)
    kept.put(key("a"), b"whole", "stop", 0.0, answer=ANSWER)
    assert kept.get(key("a", b"t"), 0.0) == Hit(None, ANSWER)


@pytest.mark.parametrize("reason", ["", "content_filter", "error", "load", "cancelled"])
def test_an_answer_that_ended_otherwise_is_not_kept(reason: str) -> None:
    kept = cache()
    assert not kept.put(key("a"), b"body", reason, 0.0)
    assert kept.get(key("a"), 0.0) is None


def test_an_answer_grows_old() -> None:
    kept = cache()
    kept.put(key("a"), b"body", "stop", 0.0)
    kept.put(key("a", b"s"), b"later", "stop", AGE / 2)
    assert kept.get(key("a"), AGE - 1)
    assert kept.get(key("a", b"s"), AGE) is None, "no younger than its first half"
    assert (len(kept), kept.bytes, kept.evictions) == (0, 0, 0)


def test_what_was_not_asked_for_longest_goes_first() -> None:
    kept = cache(8 * 2 * KIB)
    for name in "abcdefgh":
        kept.put(key(name), bytes(KIB), "stop", 0.0)
    assert kept.get(key("a"), 0.0)
    for name in "ijklm":
        kept.put(key(name), bytes(KIB), "stop", 0.0)
    assert kept.get(key("a"), 0.0)
    assert kept.get(key("b"), 0.0) is None
    assert kept.evictions == 3


def test_nothing_so_large_that_it_would_push_out_many() -> None:
    kept = cache(64 * KIB)
    kept.put(key("a"), b"small", "stop", 0.0)
    assert not kept.put(key("b"), bytes(8 * KIB), "stop", 0.0)
    assert not kept.put(key("a", b"s"), bytes(8 * KIB), "stop", 0.0)
    assert kept.get(key("a"), 0.0) == Hit(b"small", None)


def test_a_cache_of_no_size_keeps_nothing() -> None:
    kept = cache(0)
    assert not kept.put(key("a"), b"", "stop", 0.0)
    assert kept.get(key("a"), 0.0) is None


def test_its_bounds_change_and_it_is_cleared() -> None:
    kept = cache()
    for name in "abcd":
        kept.put(key(name), bytes(KIB), "stop", 0.0)
    kept.update(4 * KIB, AGE)
    assert len(kept) == 2
    kept.clear()
    assert (len(kept), kept.bytes) == (0, 0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.sampled_from([b"", b"s"]),
            st.integers(0, 3000),
            st.booleans(),
            st.integers(0, 40),
        )
    )
)
def test_it_never_holds_more_than_it_may(
    steps: list[tuple[str, bytes, int, bool, int]],
) -> None:
    kept, now = cache(12 * KIB), 0.0
    for name, manner, size, neutral, later in steps:
        now += later
        answer = ANSWER if neutral else None
        if kept.put(key(name, manner), bytes(size), "stop", now, answer=answer):
            hit = kept.get(key(name, manner), now)
            assert hit is not None and hit.body == bytes(size)
        assert 0 <= kept.bytes <= 12 * KIB
    kept.get(key("a"), now + AGE)
    for name in "abcdef":
        assert kept.get(key(name), now + AGE) is None
    assert (len(kept), kept.bytes) == (0, 0)
