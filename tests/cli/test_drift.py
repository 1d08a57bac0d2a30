"""`sutazai drift`: what runs otherwise than it is declared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.fake_control import FakeControl

pytestmark = pytest.mark.usefixtures("fleet")
FINDING: dict[str, Any] = {
    "kind": "environment",
    "unit": "planner",
    "instance": "planner-abcde",
    "what": "SECRET",
    "expected": "as declared",
    "seen": "[red]another value",
    "since": 1_700_000_000.0,
}
REPORT: dict[str, Any] = {
    "at": 1_700_000_100.0,
    "score": 0.005,
    "checked": 200,
    "by_kind": {"environment": 200},
    "findings": [FINDING],
    "healed": [{**FINDING, "instance": "planner-fghij", "healed": 1_700_000_050.0}],
    "unchecked": ["models of own: no digests are told"],
}


def test_findings_are_shown_with_the_score(sutazai: CommandLine, control: FakeControl) -> None:
    control.json("GET /drift", REPORT)

    shown = sutazai("drift").out

    assert "drift 0.5%: 1 of 200 facts" in shown
    for word in ("planner-abcde", "SECRET", "[red]another value"):
        assert word in shown
    assert "planner-fghij, environment: SECRET" in shown
    assert "not compared: models of own: no digests are told" in shown


def test_the_report_is_there_for_scripts(sutazai: CommandLine, control: FakeControl) -> None:
    control.json("GET /drift", REPORT)

    assert json.loads(sutazai("drift", "--json").out)["findings"] == [FINDING]


def test_no_drift_is_said_in_one_line(sutazai: CommandLine, control: FakeControl) -> None:
    control.json("GET /drift", {"at": 1.0, "checked": 12})

    assert sutazai("drift").out == "drift 0.0%: 0 of 12 facts\n"
