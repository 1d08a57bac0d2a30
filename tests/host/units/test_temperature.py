"""How many instances are wanted."""

from dataclasses import replace

from sutazai.fleet.spec import Temperature
from sutazai.host.units.temperature import Demand, wanted

ASLEEP = Demand(
    now=1000.0,
    temperature=Temperature.WARM,
    replicas=2,
    stopped=False,
    woken_at=None,
    idle=None,
    idle_after=60.0,
)


def test_a_hot_unit_runs_always_unless_stopped() -> None:
    hot = replace(ASLEEP, temperature=Temperature.HOT)
    assert wanted(hot) == 2
    assert wanted(replace(hot, stopped=True)) == 0


def test_a_warm_unit_runs_when_woken_until_it_was_idle_long_enough() -> None:
    assert wanted(ASLEEP) == 0
    woken = replace(ASLEEP, woken_at=900.0)
    assert wanted(replace(woken, idle=5.0)) == 2
    assert wanted(replace(woken, idle=61.0)) == 0


def test_a_unit_that_was_woken_just_now_is_not_sent_back_to_sleep() -> None:
    assert wanted(replace(ASLEEP, woken_at=990.0, idle=500.0)) == 2


def test_where_nobody_can_tell_the_idleness_it_stays_awake() -> None:
    assert wanted(replace(ASLEEP, woken_at=1.0, idle=None)) == 2
