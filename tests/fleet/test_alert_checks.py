"""Alerts in the fleet file: what is refused, what is warned of, what changes a built-in one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sutazai.fleet.checks import Machine, check_fleet
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.load import parse
from sutazai.fleet.problems import Severity
from sutazai.fleet.spec import Fleet
from sutazai.observe.alerts.declared import objectives_of, rules_of

MACHINE = Machine(memory=64 * 1024**3, cores=16)
RULE = {"metric": "heat", "value": 5}


def fleet_of(**keys: Any) -> Fleet:
    """A fleet of these keys of its file."""
    return parse(json.dumps({"name": "watched", **keys}), file="fleet.yaml").fleet


def problems(**keys: Any) -> list[str]:
    """What is wrong, by severity and words."""
    loaded = parse(json.dumps({"name": "watched", **keys}), file="fleet.yaml")
    found = check_fleet(loaded.fleet, MACHINE, loaded.positions)
    return [f"{each.severity}: {each.message}" for each in found]


def test_a_built_in_alert_is_changed_key_by_key_or_replaced() -> None:
    fleet = fleet_of(
        alerts={
            "memory-high": {"value": "90%"},
            "cpu-high": {"enabled": False},
            "queue-long": {"metric": "sutazai_tasks_queued", "value": 50},
        },
        objectives={"answered": {"target": "99.99%"}},
    )

    rules = rules_of(fleet)

    assert (rules["memory-high"].value, rules["memory-high"].for_) == (0.9, 60.0)
    assert "cpu-high" not in rules
    assert rules["queue-long"].suppresses == ()
    assert objectives_of(fleet)["answered"].target == pytest.approx(0.9999)


def test_a_fleet_means_the_same_once_it_was_written_down() -> None:
    fleet = fleet_of(alerts={"memory-high": {"for": "9m"}, "hot": {**RULE, "for": "2m"}})

    again = Fleet.model_validate_json(fleet.model_dump_json(by_alias=True))

    assert rules_of(again) == rules_of(fleet)
    assert rules_of(again)["memory-high"].for_ == 540.0


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5.0), ("85%", 0.85), ("512MiB", 512 * 1024**2), ("5s", 5.0), ("99.9%", 0.999)],
)
def test_values_may_have_units(value: object, number: float) -> None:
    fleet = fleet_of(alerts={"hot": {**RULE, "value": value}})

    assert fleet.alerts["hot"].value == number


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": "hot"},
        {"value": True},
        {"metric": "no metric"},
        {"labels": {"a-b": "c"}},
        {"measure": "quantile", "share_of": {"metric": "x"}},
        {"at_least": 5},
        {"for": "2d"},
        {"sevrity": "info"},
    ],
)
def test_what_makes_no_rule_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadFleet):
        problems(alerts={"hot": {**RULE, **wrong}})


def test_names_that_nothing_has_are_told() -> None:
    found = problems(
        alerts={
            "hot": {"metric": "sutazai_agent_memory_byte", "value": 1, "suppresses": ["llm-dwn"]}
        }
    )

    assert found == [
        "warning: `metric` of alert `hot`: SutazAI tells no metric `sutazai_agent_memory_byte`",
        "error: `suppresses` of alert `hot`: there is no alert `llm-dwn`",
    ]


def test_metrics_of_others_are_nobody_elses_business() -> None:
    assert problems(alerts={"hot": RULE}) == []


def test_alerts_that_suppress_each_other_are_refused() -> None:
    found = problems(
        alerts={"hot": {**RULE, "suppresses": ["wet"]}, "wet": {**RULE, "suppresses": ["hot"]}}
    )

    assert len(found) == 1
    assert found[0].startswith("error: these suppress each other")


def test_a_target_is_a_reference_and_can_be_reached() -> None:
    found = problems(
        notify={
            "targets": {"team": {"url": "json://secret@host"}, "b": {"url": "${B}", "level": 4}}
        }
    )

    assert [each.partition(":")[0] for each in found] == [Severity.ERROR, Severity.ERROR]
    assert "secret@" not in "".join(found)


@pytest.mark.parametrize("times", [["10m", "5m"], ["5m", "5m"], ["0s"]])
def test_escalations_come_one_after_the_other(times: list[str]) -> None:
    with pytest.raises(BadFleet):
        problems(notify={"escalate": times})


def test_an_objective_says_one_way_what_is_bad() -> None:
    objective = {"metric": "calls_total", "target": "99%"}
    for more in ({}, {"bad": {"outcome": "failed"}, "within": "5s"}, {"target": "100%"}):
        with pytest.raises(BadFleet):
            problems(objectives={"quick": {**objective, **more}})
