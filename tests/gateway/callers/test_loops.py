"""The same call again and again."""

from __future__ import annotations

from sutazai.gateway.callers.loops import DISTINCT_MAX, Loops, digest_of


def test_each_call_is_counted_by_itself() -> None:
    loops = Loops()
    assert [loops.count(digest) for digest in (1, 2, 1, 1, 2)] == [1, 1, 2, 3, 2]


def test_a_call_that_came_to_nothing_does_not_count() -> None:
    loops = Loops()
    loops.count(1)
    loops.take_back(1)
    loops.take_back(2)
    assert loops.count(1) == 1


def test_calls_differ_by_every_byte_and_by_their_endpoint() -> None:
    one = digest_of("/v1/chat/completions", b'{"a":1}')
    assert one == digest_of("/v1/chat/completions", bytes(bytearray(b'{"a":1}')))
    assert one != digest_of("/v1/chat/completions", b'{"a":2}')
    assert one != digest_of("/v1/completions", b'{"a":1}')


def test_what_is_remembered_is_bounded_and_a_loop_with_others_between_is_still_found() -> None:
    loops = Loops()
    for digest in range(3 * DISTINCT_MAX):
        loops.count(digest)
        times = loops.count(-1)
    assert times == 3 * DISTINCT_MAX
    assert loops.count(0) == 1
