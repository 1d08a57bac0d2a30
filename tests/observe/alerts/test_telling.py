"""Who hears of what: causes before symptoms, silences, acknowledgement, escalation, the outbox."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.alert_status import Acknowledgement, Silence
from sutazai.fleet.alerting import Notify
from sutazai.fleet.spec import Fleet
from sutazai.observe.alerts import outbox as letters
from sutazai.observe.alerts.declared import rules_of
from sutazai.observe.alerts.notices import Notice
from sutazai.observe.alerts.outbox import BOUND, FIRST, GIVEN_UP, OUTBOX
from sutazai.observe.samples import Sample
from tests.observe.alerts.watching import START, Watch, rule, sample

URL = "${HOOK}"


def notify(**keys: Any) -> Notify:
    return Notify.model_validate({"wait": "0s", **keys})


def test_what_follows_from_a_cause_is_quiet() -> None:
    rules = {"fire": rule(metric="fire", suppresses=["hot"]), "hot": rule()}
    watch = Watch(rules)

    seen = watch.see([sample("fire", 9), sample("heat", 9, agent="a"), sample("heat", 9)])

    assert {alert.rule: alert.muted for alert in seen.alerts} == {"fire": "", "hot": "cause: fire"}
    assert watch.words() == ["firing fire"]
    watch.see([sample("fire", 1), sample("heat", 9)])
    assert watch.words() == ["resolved fire", "firing hot"]


def test_a_cause_that_is_only_about_to_fire_holds_its_consequences_back() -> None:
    rules = {"fire": rule(metric="fire", for_="30s", suppresses=["hot"]), "hot": rule()}
    watch = Watch(rules)

    watch.see_for(40, [sample("fire", 9), sample("heat", 9)])

    assert watch.words() == ["firing fire"]


def test_a_cause_explains_its_own_agent_and_no_other() -> None:
    rules = {"fire": rule(metric="fire", suppresses=["hot"]), "hot": rule()}
    watch = Watch(rules)

    seen = watch.see([
        sample("fire", 9, agent="a"),
        *(sample("heat", 9, agent=agent, tier="fast") for agent in "ab"),
    ])  # fmt: skip

    hot = next(alert for alert in seen.alerts if alert.rule == "hot")
    assert [one.labels["agent"] for one in hot.series] == ["b"]
    assert hot.count == 1


def test_causes_of_causes_explain_too() -> None:
    rules = {
        "spark": rule(metric="spark", suppresses=["fire"]),
        "fire": rule(metric="fire", suppresses=["hot"]),
        "hot": rule(),
    }
    watch = Watch(rules)

    seen = watch.see([sample("spark", 9), sample("heat", 9)])

    assert {alert.rule: alert.muted for alert in seen.alerts}["hot"] == "cause: spark"


def test_without_any_llm_one_alert_is_told_not_seventy() -> None:
    watch = Watch(rules_of(Fleet(name="all")), notify=notify(wait="15s"))
    agents = [f"agent-{at}" for at in range(69)]

    def fleet(calls: int, *, up: bool) -> list[Sample]:
        outcome = "done" if up else "failed"
        return [
            sample("sutazai_gateway_backend_available", float(up), backend="ollama"),
            sample("sutazai_gateway_breaker_state", 0 if up else 2, backend="ollama", model="m"),
            sample("sutazai_gateway_queued", 0 if up else 5000, priority="low"),
            sample("sutazai_gateway_requests_total", calls * 69, outcome=outcome),
            *(
                sample("sutazai_gateway_agent_requests_total", calls, agent=name, outcome=outcome)
                for name in agents
            ),
        ]

    for look in range(12):
        watch.see(fleet(look * 5, up=True))
    for look in range(60):
        watch.see(fleet(look * 5, up=False))

    told = [notice.alert.summary for notice in watch.told]
    assert {notice.alert.rule for notice in watch.told} == {"llm-down"}
    assert told[0] == "no LLM can be reached: every call to a model waits or fails"


def test_a_silence_mutes_what_it_matches_until_it_ends() -> None:
    watch = Watch({"hot": rule()})
    silence = Silence(id="s", since=START, until=START + 100, matchers={"agent": "a"}, by="me")
    watch.book = watch.book.silenced(silence)

    both = watch.see([sample("heat", 9, agent="a"), sample("heat", 9, agent="b")])
    assert [one.labels["agent"] for one in both.alerts[0].series] == ["b"]
    alone = watch.see([sample("heat", 9, agent="a"), sample("heat", 1, agent="b")])
    assert alone.alerts[0].muted == "silence: s"

    over = watch.see_for(120, [sample("heat", 9, agent="a")])
    assert over.alerts[0].muted == ""
    assert watch.book.silences == ()


def test_a_silence_can_name_the_alert_and_the_severity() -> None:
    watch = Watch({"hot": rule(), "wet": rule(metric="rain", severity="critical")})
    for at, matchers in enumerate(({"alert": "hot"}, {"severity": "critical"})):
        silence = Silence(id=str(at), since=START, until=START + 1000, matchers=matchers)
        watch.book = watch.book.silenced(silence)

    watch.see_for(60, [sample("heat", 9), sample("rain", 9)])

    assert watch.words() == []


def test_what_nobody_acknowledges_is_told_again_after_5_10_and_15_minutes() -> None:
    targets = {
        "team": {"url": URL},
        "lead": {"url": URL, "level": 1},
        "boss": {"url": URL, "level": 3},
        "critical-only": {"url": URL, "severities": ["critical"]},
    }
    watch = Watch({"hot": rule()}, notify=notify(targets=targets))

    for _ in range(100):
        watch.see([sample("heat", 9)])

    began = watch.told[0].alert.fired
    assert began is not None
    assert [(notice.level, notice.targets) for notice in watch.told] == [
        (0, ("team",)),
        (1, ("team", "lead")),
        (2, ("team", "lead")),
        (3, ("team", "lead", "boss")),
    ]


def test_an_acknowledged_alert_is_not_escalated_and_its_next_time_is_new() -> None:
    watch = Watch({"hot": rule()})
    alert = watch.see([sample("heat", 9)]).alerts[0]
    watch.book = watch.book.acknowledged(alert.id, Acknowledgement(by="me", at=watch.now))

    watch.see_for(1200, [sample("heat", 9)])
    assert watch.words() == ["firing hot"]

    watch.see([sample("heat", 1)])
    again = watch.see([sample("heat", 9)]).alerts[0]
    assert again.id != alert.id and again.acknowledged is None


def test_who_was_not_told_of_an_alert_does_not_hear_of_its_end() -> None:
    targets = {
        "team": {"url": URL},
        "boss": {"url": URL, "level": 1},
        "pager": {"url": URL, "resolved": False},
    }
    watch = Watch({"hot": rule()}, notify=notify(targets=targets))
    watch.see([sample("heat", 9)])
    watch.see([sample("heat", 1)])

    assert watch.told[-1].targets == ("team",)


def test_what_is_over_before_it_is_told_is_never_told() -> None:
    watch = Watch({"hot": rule()}, notify=notify(wait="15s"))
    watch.see([sample("heat", 9)])
    watch.see([sample("heat", 1)])

    assert watch.words() == []


# what is to be sent


def told(count: int = 1, **keys: Any) -> list[Notice]:
    """Notices of so many alerts, each for one target."""
    rules = {f"hot-{at}": rule(**keys) for at in range(count)}
    watch = Watch(rules, notify=notify(targets={"team": {"url": URL, "severities": _ALL}}))
    watch.see([sample("heat", 9)])
    return watch.told


_ALL = ["info", "warning", "critical"]


def test_a_letter_stays_until_it_is_taken_and_waits_longer_each_time() -> None:
    outbox, lost = letters.with_notices((), told(), START)
    assert [letter.title for letter in letters.due(outbox, START)] == ["warning: hot-0"]

    waits, now = [], START
    for _ in range(8):
        outbox, lost = letters.tried(outbox, (), {letter.id for letter in outbox}, now)
        outbox = OUTBOX.validate_json(OUTBOX.dump_json(outbox))
        waits.append(outbox[0].again - now)
        assert letters.due(outbox, now) == ()
        now = outbox[0].again
    assert lost == ()
    assert waits == [FIRST, 10, 20, 40, 80, 160, 300, 300]

    assert letters.tried(outbox, {outbox[0].id}, (), now) == ((), ())


def test_after_a_day_a_letter_is_given_up() -> None:
    outbox, _ = letters.with_notices((), told(), START)

    left, lost = letters.tried(outbox, (), {outbox[0].id}, START + GIVEN_UP)

    assert (left, len(lost)) == ((), 1)


def test_a_clock_that_is_set_back_makes_no_letter_wait() -> None:
    outbox, _ = letters.with_notices((), told(), START)

    assert letters.due(outbox, START - 86_400) == outbox


def test_a_full_outbox_loses_the_least_severe_first() -> None:
    worse, _ = letters.with_notices((), told(severity="critical"), START)

    outbox, lost = letters.with_notices(worse, told(BOUND + 4, severity="info"), START + 1)

    assert len(outbox) == BOUND
    assert len(lost) == 5
    assert worse[0] in outbox
