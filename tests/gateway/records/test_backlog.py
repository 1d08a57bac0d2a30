"""What waits to be written."""

from __future__ import annotations

import threading

from sutazai.gateway.records.backlog import Backlog

MANY = 1_000_000


def test_what_came_first_is_taken_first() -> None:
    backlog: Backlog[int] = Backlog(limit=10, size=100)

    assert [backlog.put(item, 1) for item in range(3)] == [1, 2, 3]

    assert backlog.take(2, MANY) == [0, 1]
    assert backlog.take(2, MANY) == [2]
    assert backlog.take(2, MANY) == []
    assert backlog.dropped == 0


def test_where_there_are_too_many_the_newest_win() -> None:
    backlog: Backlog[int] = Backlog(limit=3, size=100)

    for item in range(10):
        backlog.put(item, 0)

    assert backlog.take(10, MANY) == [7, 8, 9]
    assert backlog.dropped == 7


def test_bytes_are_bounded_too_and_one_large_item_is_held() -> None:
    backlog: Backlog[str] = Backlog(limit=100, size=100)

    for item in ("a", "b", "c"):
        backlog.put(item, 40)
    assert backlog.dropped == 1
    assert backlog.size == 80
    backlog.put("large", 1_000)
    assert backlog.dropped == 3
    assert backlog.size == 1_000

    assert backlog.take(10, MANY) == ["large"]
    backlog.put("small", 1)
    backlog.put("another", 1)
    assert backlog.take(10, MANY) == ["small", "another"]


def test_a_batch_ends_with_the_item_that_fills_it() -> None:
    backlog: Backlog[int] = Backlog(limit=100, size=1_000)
    for item in range(5):
        backlog.put(item, 100)

    assert backlog.take(10, 250) == [0, 1, 2]
    assert backlog.take(10, 250) == [3, 4]


def test_of_two_threads_nothing_is_lost_but_what_is_counted() -> None:
    backlog: Backlog[int] = Backlog(limit=50, size=10_000)
    taken: list[int] = []
    over = threading.Event()

    def take() -> None:
        while not over.is_set():
            taken.extend(backlog.take(7, MANY))

    taker = threading.Thread(target=take, name="taker")
    taker.start()
    for item in range(50_000):
        backlog.put(item, 300)
    over.set()
    taker.join(10)
    taken.extend(backlog.take(MANY, MANY))

    assert len(taken) + backlog.dropped == 50_000
    assert taken == sorted(taken)
    assert taken[-1] == 49_999
