"""From samples to alerts: how long, how many, over restarts and jumps of the clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.alert_status import AlertState
from tests.observe.alerts.watching import Watch, rule, sample


def test_a_condition_must_last_before_the_alert_fires() -> None:
    watch = Watch({"hot": rule(for_="1m")})

    pending = watch.see([sample("heat", 9)])
    later = watch.see_for(50, [sample("heat", 9)])
    fired = watch.see([sample("heat", 9)])

    assert [alert.state for alert in pending.alerts] == [AlertState.PENDING]
    assert [alert.state for alert in later.alerts] == [AlertState.PENDING]
    assert [alert.rule for alert in fired.fired] == ["hot"]


def test_one_good_look_starts_the_wait_anew() -> None:
    watch = Watch({"hot": rule(for_="1m")})
    watch.see_for(50, [sample("heat", 9)])
    watch.see([sample("heat", 1)])

    again = watch.see_for(50, [sample("heat", 9)])

    assert [alert.state for alert in again.alerts] == [AlertState.PENDING]


def test_an_alert_that_flaps_is_one_alert() -> None:
    watch = Watch({"hot": rule(hold_off="1m")})
    first = watch.see([sample("heat", 9)]).alerts[0]
    for value in (1, 9, 1, 1, 9, 1):
        seen = watch.see([sample("heat", value)])
        assert [alert.id for alert in seen.alerts] == [first.id]

    ended = watch.see_for(60, [sample("heat", 1)]).ended

    assert [alert.id for alert in ended] == [first.id]
    assert ended[0].state is AlertState.RESOLVED
    assert watch.book.ended == ended
    assert watch.words() == ["firing hot", "resolved hot"]


def test_seventy_agents_are_one_alert_with_a_count_and_first_names() -> None:
    watch = Watch({"hot": rule(summary="too hot: {agent} at {value}")})

    seen = watch.see([sample("heat", 6 + at, agent=f"a{at:02}") for at in range(70)])

    assert len(seen.alerts) == 1
    assert seen.alerts[0].count == 70
    assert seen.alerts[0].summary == "too hot: 70 agents (a00, a01, a02, …) at 75"
    assert watch.words() == ["firing hot"]


def test_a_rule_can_ask_for_an_alert_each() -> None:
    watch = Watch({"hot": rule(each=["group"])})

    seen = watch.see([
        sample("heat", 9, agent="a", group="red"),
        sample("heat", 9, agent="b", group="red"),
        sample("heat", 9, agent="c", group="blue"),
    ])  # fmt: skip

    found = {alert.labels["group"]: alert.count for alert in seen.alerts}
    assert found == {"red": 2, "blue": 1}


def test_a_restart_forgets_nothing_and_tells_nobody_twice() -> None:
    watch = Watch({"hot": rule(for_="30s")})
    before = watch.see_for(60, [sample("heat", 9)]).alerts[0]

    watch.restart()
    after = watch.see([sample("heat", 9)]).alerts[0]

    assert (after.id, after.fired) == (before.id, before.fired)
    assert watch.words() == ["firing hot"]


def test_a_pause_of_control_is_not_time_in_which_a_condition_lasted() -> None:
    watch = Watch({"hot": rule(for_="5m")})
    watch.see([sample("heat", 9)])

    after = watch.see([sample("heat", 9)], seconds=3600)

    assert [alert.state for alert in after.alerts] == [AlertState.PENDING]


def test_a_clock_that_is_set_back_ends_nothing_and_fires_nothing() -> None:
    watch = Watch({"hot": rule(for_="1m"), "hotter": rule(value=50, hold_off="1m")})
    watch.see([sample("heat", 90)])

    back = watch.see([sample("heat", 9)], seconds=-86_400)
    on = watch.see_for(50, [sample("heat", 9)])

    assert {alert.rule: alert.state for alert in back.alerts} == {
        "hot": AlertState.PENDING,
        "hotter": AlertState.FIRING,
    }
    assert [alert.rule for alert in on.ended] == []
    assert [alert.rule for alert in watch.see([sample("heat", 9)]).ended] == ["hotter"]


def test_a_series_that_vanishes_is_waited_for_a_little() -> None:
    watch = Watch({"hot": rule()})
    watch.see([sample("heat", 9)])

    gone = watch.see_for(100, [])
    assert [alert.state for alert in gone.alerts] == [AlertState.FIRING]

    assert [alert.rule for alert in watch.see_for(30, []).ended] == ["hot"]
    assert watch.book.records == ()
    assert watch.words() == ["firing hot", "resolved hot"]


def test_a_rule_that_is_no_more_takes_its_alerts_along() -> None:
    watch = Watch({"hot": rule(), "wet": rule(metric="rain")})
    watch.see([sample("heat", 9), sample("rain", 9)])
    kept = watch.book

    other = Watch({"wet": rule(metric="rain")})
    other.book = kept
    other.now = watch.now
    seen = other.see([sample("heat", 9), sample("rain", 9)])

    assert [alert.rule for alert in seen.alerts] == ["wet"]


def test_a_metric_that_is_not_a_number_fires_nothing() -> None:
    watch = Watch({"hot": rule(comparison="!=")})

    assert watch.see([sample("heat", float("nan"))]).alerts == ()


@given(
    values=st.lists(
        st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=3), max_size=30
    ),
    steps=st.lists(st.floats(-1e6, 1e6), min_size=30, max_size=30),
)
def test_whatever_comes_in_what_comes_out_can_be_kept(
    values: list[list[float]], steps: list[float]
) -> None:
    watch = Watch({
        "hot": rule(for_="20s", hold_off="20s"),
        "fast": rule(measure="rate", window="1m", by=["agent"]),
        "grown": rule(measure="growth", window="1m"),
    })  # fmt: skip
    for found, step in zip(values, steps, strict=False):
        seen = watch.see(
            [sample("heat", value, agent=str(at)) for at, value in enumerate(found)], seconds=step
        )
        fired = {alert.id for alert in seen.alerts if alert.state is AlertState.FIRING}
        assert {alert.id for alert in seen.fired} <= fired
        assert len({alert.id for alert in seen.alerts}) == len(seen.alerts)
        watch.restart()
