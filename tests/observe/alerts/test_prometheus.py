"""The same rules for Prometheus, read by its own tool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.alerting import Objective
from sutazai.fleet.spec import Fleet
from sutazai.observe.alerts import promql
from sutazai.observe.alerts.declared import objectives_of, rules_of
from sutazai.observe.alerts.prometheus import rule_file
from tests.observe.alerts.watching import rule

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt install prometheus"
)
HOSTILE = 'a"b\\c\nd|.*{{ evil }}{x}'


def check(tmp_path: Path, text: str, *more: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    done = subprocess.run(
        ["promtool", *(more or ("check", "rules")), str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_built_in_rule_is_accepted(tmp_path: Path) -> None:
    fleet = Fleet(name="all")

    check(tmp_path, rule_file(rules_of(fleet), objectives_of(fleet)))


@needs_promtool
def test_hostile_words_stay_words(tmp_path: Path) -> None:
    rules = {
        "evil": rule(
            labels={"agent": HOSTILE, "group": [HOSTILE, "b"]}, summary=HOSTILE, hint=HOSTILE
        )
    }

    check(tmp_path, rule_file(rules, {}))


@needs_promtool
@pytest.mark.parametrize(
    "keys",
    [
        {"measure": "rate", "by": [], "combine": "mean"},
        {"measure": "rate", "by": ["a"], "combine": "max", "share_of": {"metric": "x"}},
        {"measure": "rate", "share_of": {"metric": "x"}, "at_least": 5},
        {"measure": "growth", "window": "1h", "by": ["a"]},
        {"measure": "quantile", "quantile": 0.99},
        {"measure": "quantile", "by": ["a", "b"], "window": "90s"},
        {"comparison": "!=", "value": "512MiB", "for_": "1500ms"},
    ],
)
def test_whatever_can_be_declared_can_be_exported(tmp_path: Path, keys: dict[str, Any]) -> None:
    check(tmp_path, rule_file({"one": rule(**keys)}, {}))


@needs_promtool
def test_both_evaluators_agree_on_when_it_fires(tmp_path: Path) -> None:
    """Prometheus fires at the same minute as ours does in `test_evaluator`'s first story."""
    (tmp_path / "file.yaml").write_text(rule_file({"hot": rule(for_="1m", value=5)}, {}))
    story = {
        "rule_files": [str(tmp_path / "file.yaml")],
        "evaluation_interval": "10s",
        "tests": [
            {
                "interval": "10s",
                "input_series": [{"series": 'heat{agent="a"}', "values": "9x30"}],
                "alert_rule_test": [
                    {"eval_time": "50s", "alertname": "hot", "exp_alerts": []},
                    {
                        "eval_time": "70s",
                        "alertname": "hot",
                        "exp_alerts": [
                            {
                                "exp_labels": {"agent": "a", "severity": "warning"},
                                "exp_annotations": {"summary": "hot"},
                            }
                        ],
                    },
                ],
            }
        ],
    }

    check(tmp_path, json.dumps(story), "test", "rules")


def test_burn_rates_are_those_of_the_workbook() -> None:
    objective = Objective.model_validate(
        {"metric": "calls_total", "bad": {"outcome": "failed"}, "target": "99.9%"}
    )
    exported = json.loads(rule_file({}, {"answered": objective}))["groups"][0]["rules"]

    expressions = {each["alert"]: each["expr"] for each in exported}
    assert "[1h]" in expressions["answered-burns-fast"]
    assert "[5m]" in expressions["answered-burns-fast"]
    assert "> 0.0144" in expressions["answered-burns-fast"]
    assert "[3d]" in expressions["answered-burns-slow"]
    assert "[6h]" in expressions["answered-burns-slow"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(60, "1m"), (5400, "90m"), (86_400, "1d"), (1.5, "1500ms"), (45, "45s")]
)
def test_durations_are_written_as_promql_reads_them(seconds: float, text: str) -> None:
    assert promql.span(seconds) == text
