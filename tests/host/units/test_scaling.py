"""How many instances of a unit there should be, in virtual time."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.desired import Scaling
from sutazai.host.units.scaling import SETTLES, Load, Scale, rescaled, told

RULE = Scaling(most=8, wait=1.0, cooldown=30.0)
QUIET = Load(now=100.0, least=1, concurrency=2, ready=1, idle=1, calls=0, waiting=0, wait=0.0)
CROWD = replace(QUIET, idle=0, calls=11, waiting=9, wait=4.0)


def test_more_start_when_calls_wait_and_the_reason_has_figures() -> None:
    before, load = Scale(2), replace(CROWD, ready=2)
    after = rescaled(before, load, RULE)
    assert after.target == 4, "twice as many at most"
    assert told(before, after, load, RULE) == "scaled from 2 to 4: 9 calls wait, 4s the longest"


def test_a_short_wait_starts_nothing() -> None:
    assert rescaled(Scale(1), replace(CROWD, wait=0.9), RULE).target == 1


def test_the_next_growth_waits_until_the_last_one_is_there_and_had_its_time() -> None:
    first = rescaled(Scale(1), CROWD, RULE)
    assert first.target == 2
    starting = replace(CROWD, now=CROWD.now + SETTLES)
    assert rescaled(first, starting, RULE).target == 2, "the second is not ready yet"
    assert rescaled(first, replace(CROWD, ready=2), RULE).target == 2, "ready for no time at all"
    assert rescaled(first, replace(starting, ready=2), RULE).target == 4


def test_one_idle_instance_ends_after_each_cooldown() -> None:
    scale, load = Scale(3), replace(QUIET, ready=3, idle=3)
    seen = []
    for second in range(100):
        scale = rescaled(scale, replace(load, now=load.now + second, ready=scale.target), RULE)
        seen.append(scale.target)
    assert (seen[29], seen[30], seen[59], seen[60], seen[-1]) == (3, 2, 2, 1, 1)


def test_a_shrinking_is_told_with_figures() -> None:
    before, load = Scale(4, spare_since=60.0), replace(QUIET, calls=2, ready=4, idle=2)
    after = rescaled(before, load, RULE)
    assert told(before, after, load, RULE) == (
        "scaled from 4 to 3: 2 calls in hand, with room for 8, for 30s"
    )


def test_nothing_ends_while_all_work() -> None:
    scale = Scale(4, spare_since=0.0)
    assert rescaled(scale, replace(QUIET, ready=4, idle=0, calls=4), RULE).target == 4


loads = st.builds(
    Load,
    now=st.just(0.0),
    least=st.integers(0, 4),
    concurrency=st.integers(1, 4),
    ready=st.integers(0, 10),
    idle=st.integers(0, 10),
    calls=st.integers(0, 100),
    waiting=st.integers(0, 100),
    wait=st.floats(0, 100),
)


@given(st.lists(st.tuples(loads, st.floats(0, 60)), max_size=60))
def test_it_stays_within_its_bounds_and_shrinks_by_one_after_a_cooldown_at_most(
    history: list[tuple[Load, float]],
) -> None:
    scale, now, least = Scale(2), 0.0, 2
    shrunk_at = float("-inf")
    for load, pause in history:
        now += pause
        after = rescaled(scale, replace(load, now=now, least=least), RULE)
        assert least <= after.target <= RULE.most
        assert after.target <= 2 * scale.target
        if after.target < scale.target:
            assert after.target == scale.target - 1
            assert load.idle
            assert now >= shrunk_at + RULE.cooldown
            shrunk_at = now
        if after.target > scale.target:
            assert load.waiting
            assert load.wait >= RULE.wait
        scale = after


@given(loads)
def test_a_steady_load_comes_to_rest(load: Load) -> None:
    """Calls that keep so many instances busy have them, and no more than that."""
    load = replace(load, least=1, waiting=0)
    scale = Scale(RULE.most)
    for second in range(600):
        idle = max(0, scale.target - load.needed)
        now = replace(load, now=float(second), ready=scale.target, idle=idle)
        scale = rescaled(scale, now, RULE)
    assert scale.target == min(RULE.most, max(1, load.needed))
