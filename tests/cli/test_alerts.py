"""`sutazai alerts …`: what is wrong, who looks after it, and rules for Prometheus."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sutazai.fleet.errors import NotFound
from tests.cli.conftest import CommandLine
from tests.cli.fake_control import FakeControl

pytestmark = pytest.mark.usefixtures("fleet")
ALERT: dict[str, Any] = {
    "id": "agent-down-1a2b3c",
    "rule": "agent-down",
    "severity": "warning",
    "state": "firing",
    "summary": "due to run, and does not run well: 70 agents ([red]a, b, c, …)",
    "hint": "sutazai agents show AGENT says why",
    "count": 70,
    "series": [{"labels": {"agent": "[red]a"}, "value": 0.0}],
    "since": 1_700_000_000.0,
    "fired": 1_700_000_060.0,
}
ENDED = {**ALERT, "id": "hot-000000", "rule": "hot", "state": "resolved"}
SILENCE = {
    "id": "s1",
    "matchers": {"agent": "planner"},
    "since": 1_700_000_000.0,
    "until": 1_700_003_600.0,
    "by": "ada",
    "why": "new prompt",
}


def test_what_is_wrong_is_listed_and_what_is_over_only_when_asked(
    sutazai: CommandLine, control: FakeControl
) -> None:
    control.json("GET /alerts", [ALERT, ENDED])

    shown = sutazai("alerts", "list").out

    assert "agent-down-1a2b3c" in shown
    assert "70 agents ([red]a, b, c, …)" in shown
    assert "hot-000000" not in shown
    assert "hot-000000" in sutazai("alerts", "list", "--all").out
    assert json.loads(sutazai("alerts", "list", "--json").out)[0]["count"] == 70


def test_when_all_is_well_it_says_so(sutazai: CommandLine, control: FakeControl) -> None:
    control.json("GET /alerts", [])

    assert sutazai("alerts", "list").out == "nothing is wrong\n"


def test_one_alert_is_shown_and_acknowledged(sutazai: CommandLine, control: FakeControl) -> None:
    control.json("GET /alerts/agent-down", ALERT)
    control.json("POST /alerts/agent-down/ack", ALERT)

    shown = sutazai("alerts", "show", "agent-down").out
    done = sutazai("alerts", "ack", "agent-down", "--note", "on it", "--by", "ada").out

    assert "and 69 more" in shown
    assert "sutazai agents show AGENT says why" in shown
    assert done == "acknowledged: agent-down-1a2b3c\n"
    assert control.asked[-1].value == {"by": "ada", "note": "on it"}


def test_silences_are_made_listed_and_ended(sutazai: CommandLine, control: FakeControl) -> None:
    control.json("POST /silences", SILENCE)
    control.json("GET /silences", [SILENCE])
    control.json("DELETE /silences/s1", SILENCE)

    made = sutazai("alerts", "silence", "agent=planner", "alert=agent-down", "--for", "2h").out
    assert made.endswith(": s1\n")
    assert control.asked[-1].value["matchers"] == {"agent": "planner", "alert": "agent-down"}

    assert "agent=planner" in sutazai("alerts", "silences").out
    assert sutazai("alerts", "unsilence", "s1").out == "ended: s1\n"


def test_what_cannot_be_silenced_is_refused(sutazai: CommandLine, control: FakeControl) -> None:
    assert sutazai("alerts", "silence", "planner").code == 2
    assert sutazai("alerts", "silence", "agent=planner", "--for", "long").code == 2
    control.refuse("GET /alerts/none", NotFound("there is no alert 'none'"))
    assert sutazai("alerts", "show", "none").code == 4


def test_rules_and_objectives_are_listed(sutazai: CommandLine, control: FakeControl) -> None:
    rule = {
        "name": "llm-down",
        "severity": "critical",
        "condition": "sutazai_gateway_backend_available < 1",
        "summary": "no LLM can be reached",
        "seen": 2,
    }
    objective = {
        "name": "answered",
        "target": 0.999,
        "window": 2_592_000.0,
        "good": 0.9995,
        "budget_left": 0.5,
        "burns": {"fast": 0.25},
    }
    control.json("GET /alerts/rules", [rule])
    control.json("GET /alerts/objectives", [objective])

    assert "llm-down" in sutazai("alerts", "rules").out
    shown = sutazai("alerts", "objectives").out
    assert "99.9 %" in shown
    assert "50 %" in shown
