"""What an operation costs, in calls of Python functions, whatever waits."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sutazai.gateway.queue.scheduler import Scheduler
from tests.gateway.queue.stories import HIGH, LOW, backend, entry, scheduler, started, submit

TARGETS = ("fast", "standard", "complex")


def crowded(waiting: int) -> Scheduler:
    """So many wait, of 1,000 clients at most; two seconds is what a call takes."""
    queue = scheduler(backend(slots=4, targets=" ".join(TARGETS)), entries=20_000)
    queue.submit(-2.0, entry("first"))
    queue.finish(0.0, "first")
    submit(
        queue,
        (
            entry(f"w{n}", f"c{n % 1000}", LOW, TARGETS[n % 3], prefix=f"p{n % 1000}", size=100)
            for n in range(waiting)
        ),
    )
    return queue


def calls_of(action: Callable[[int], object], times: int) -> float:
    """Python calls that one action takes on average."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        for number in range(times):
            action(number)
    finally:
        sys.setprofile(None)
    return calls / times


def coming_and_going(waiting: int) -> float:
    queue = crowded(waiting)

    def action(number: int) -> None:
        queue.submit(1.0, entry(f"n{number}", f"c{number % 500}", HIGH, deadline=1e9))
        queue.tick(1.0)
        queue.next_due()
        queue.cancel(1.0, f"n{number}")

    return calls_of(action, 200)


def serving(waiting: int) -> float:
    """With deadlines that many miss, so that each newcomer is estimated."""
    queue = crowded(waiting)
    running = [f"w{number}" for number in range(4)]

    def action(number: int) -> None:
        now = number / 2
        ends = queue.submit(now, entry(f"n{number}", f"c{number % 999}", LOW, deadline=now + 300))
        running.extend(started(ends + queue.finish(now, running.pop(0))))
        queue.next_due()

    return calls_of(action, 2000)


def test_coming_and_going_costs_no_more_with_ten_thousand_waiting() -> None:
    assert coming_and_going(10_000) < 2 * coming_and_going(10)


def test_nor_does_serving_and_looking_ahead() -> None:
    assert serving(10_000) < 3 * serving(100)
