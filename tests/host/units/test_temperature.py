"""Whether a unit should be awake."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.spec import Temperature
from sutazai.host.demand import Told
from sutazai.host.units.temperature import THINKING, Need, is_awake, may_sleep

ASLEEP = Need(
    now=1000.0,
    temperature=Temperature.WARM,
    stopped=False,
    woken_at=None,
    idle=None,
    told=None,
    idle_after=60.0,
)
WOKEN = replace(ASLEEP, woken_at=900.0)
moments = st.one_of(st.none(), st.floats(0, 1000))
any_told = st.builds(
    Told, calls=st.integers(0, 3), last_call=moments, last_llm=moments, asking=st.booleans()
)
any_need = st.builds(
    Need,
    now=st.just(1000.0),
    temperature=st.sampled_from([Temperature.WARM, Temperature.COLD]),
    stopped=st.just(False),
    woken_at=st.floats(0, 1000),
    idle=st.one_of(st.none(), st.floats(0, 1000)),
    told=st.one_of(st.none(), any_told),
    idle_after=st.floats(0, 500),
)


def test_a_hot_unit_runs_always_unless_stopped() -> None:
    hot = replace(ASLEEP, temperature=Temperature.HOT)
    assert is_awake(hot)
    assert not is_awake(replace(hot, stopped=True))


def test_a_warm_unit_runs_when_woken_until_it_was_idle_long_enough() -> None:
    assert not is_awake(ASLEEP)
    assert is_awake(replace(WOKEN, idle=5.0))
    assert not is_awake(replace(WOKEN, idle=61.0))


def test_a_unit_that_was_woken_just_now_is_not_sent_back_to_sleep() -> None:
    assert is_awake(replace(ASLEEP, woken_at=990.0, idle=500.0))


def test_where_nobody_can_tell_the_idleness_it_stays_awake() -> None:
    assert is_awake(replace(ASLEEP, woken_at=1.0, idle=None))


def test_of_a_program_the_gateways_word_is_enough() -> None:
    assert is_awake(replace(WOKEN, told=Told(last_call=950.0)))
    assert not is_awake(replace(WOKEN, told=Told(last_call=930.0, last_llm=939.0)))
    assert not is_awake(replace(WOKEN, told=Told())), "nobody has called since it was woken"


@given(any_need, st.integers(0, int(THINKING * 1000) - 1))
def test_an_agent_that_thinks_between_two_calls_to_a_model_is_let_be(
    need: Need, ago_ms: int
) -> None:
    told = replace(need.told or Told(), last_llm=need.now - ago_ms / 1000)
    assert is_awake(replace(need, told=told, idle_after=0.0))


@given(any_need)
def test_nothing_sleeps_with_work_in_hand(need: Need) -> None:
    told = need.told or Told()
    for busy in (
        replace(need, idle=0.0),
        replace(need, told=replace(told, calls=1)),
        replace(need, told=replace(told, asking=True)),
    ):
        assert is_awake(busy)
        assert not may_sleep(busy)


@given(any_need, st.floats(0, 10_000))
def test_who_does_nothing_falls_asleep_in_the_end_if_it_can_be_told(
    need: Need, more: float
) -> None:
    quiet = replace(need, told=replace(need.told or Told(), calls=0, asking=False))
    later = replace(
        quiet,
        now=need.now + need.idle_after + THINKING + more,
        idle=None if need.idle is None else need.idle + need.idle_after + THINKING + more,
    )
    assert not is_awake(later)
