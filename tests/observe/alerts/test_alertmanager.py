"""What follows from what, as Alertmanager has it, read by its own tool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sutazai.fleet.spec import Fleet
from sutazai.observe.alerts.alertmanager import configuration, inhibitions
from sutazai.observe.alerts.declared import objectives_of, rules_of
from tests.observe.alerts.watching import rule


@pytest.mark.skipif(
    shutil.which("amtool") is None, reason="amtool is not installed (prometheus-alertmanager)"
)
@pytest.mark.parametrize("keys", [{}, {"notify": {"wait": "0s", "escalate": []}}])
def test_its_own_tool_accepts_the_file(tmp_path: Path, keys: dict[str, object]) -> None:
    fleet = Fleet.model_validate({"name": "all", **keys})
    path = tmp_path / "alertmanager.yml"
    path.write_text(configuration(rules_of(fleet), objectives_of(fleet), fleet.notify))

    done = subprocess.run(["amtool", "check-config", path], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found" in done.stdout


def test_a_cause_silences_what_has_the_same_labels_as_far_as_both_have_them() -> None:
    rules = {
        "fire": rule(by=[], suppresses=["hot", "of-nobody"]),
        "hot": rule(summary="{agent} is at {value}", suppresses=["wet"]),
        "wet": rule(by=["agent", "tier"]),
    }

    assert [*inhibitions(rules)] == [
        {
            "source_matchers": ['alertname="fire"'],
            "target_matchers": ['alertname="hot"'],
            "equal": [],
        },
        {
            "source_matchers": ['alertname="hot"'],
            "target_matchers": ['alertname="wet"'],
            "equal": ["agent"],
        },
    ]


def test_built_in_causes_explain_their_own_agent_only() -> None:
    found = {
        (one["source_matchers"][0], one["target_matchers"][0]): one["equal"]
        for one in inhibitions(rules_of(Fleet(name="all")))
    }

    assert found['alertname="crash-loop"', 'alertname="agent-down"'] == ["agent"]
    assert found['alertname="agent-down"', 'alertname="agent-calls-fail"'] == ["agent"]
    assert found['alertname="backend-down"', 'alertname="breaker-open"'] == ["backend"]
    assert found['alertname="llm-down"', 'alertname="agent-calls-fail"'] == []
