"""When what ended is started again."""

from hypothesis import given
from hypothesis import strategies as st

from sutazai.host.units.backoff import CAP, HEALTHY_FOR, JITTER, LIMIT, Backoff, delay


def ended(backoff: Backoff, *, now: float = 0.0, healthy_for: float = 0.0) -> Backoff:
    return backoff.ended(now=now, healthy_for=healthy_for, jitter=0.5)


def test_the_first_end_is_followed_by_a_start_at_once() -> None:
    assert ended(Backoff(), now=7.0).start_at == 7.0


def test_further_ends_wait_twice_as_long_each_up_to_the_cap() -> None:
    delays = [delay(ends, 0.5) for ends in range(1, 12)]
    assert delays[:5] == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == CAP


def test_a_crash_loop_ends_in_failure_and_a_request_forgives_it() -> None:
    backoff = Backoff()
    for _ in range(LIMIT):
        assert not backoff.failed
        backoff = ended(backoff)
    assert backoff.failed
    assert backoff.forgiven() == Backoff()


def test_a_healthy_minute_forgets_the_past() -> None:
    backoff = ended(ended(ended(Backoff())))
    assert ended(backoff, now=100.0, healthy_for=HEALTHY_FOR).start_at == 100.0


def test_a_plane_is_tried_for_ever() -> None:
    backoff = Backoff(patient=True)
    for _ in range(10 * LIMIT):
        backoff = ended(backoff)
    assert not backoff.failed
    assert backoff.start_at <= CAP


@given(st.integers(min_value=1, max_value=10_000), st.floats(0, 1))
def test_a_delay_is_bounded_and_never_negative(ends: int, jitter: float) -> None:
    assert 0 <= delay(ends, jitter) <= CAP * (1 + JITTER)
