"""`sutazai trace`: where a task's time went."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.fake_control import FakeControl

pytestmark = pytest.mark.usefixtures("fleet")
CALL: dict[str, Any] = {
    "name": "planner asks [red]tiny\x1b[2J",
    "started": 103.0,
    "ended": 108.5,
    "note": "40 + 8 tokens",
}
ATTEMPT = {"name": "attempt 1 by planner", "started": 102.0, "ended": 110.0, "spans": [CALL]}
TRACE = {"name": "t", "started": 100.0, "ended": 110.0, "note": "done", "spans": [ATTEMPT]}


def test_spans_lie_in_each_other(sutazai: CommandLine, control: FakeControl) -> None:
    control.json("GET /tasks/t/trace", TRACE)

    rows = [line.split() for line in sutazai("trace", "t").out.splitlines()]

    assert rows[2][:3] == ["t", "0ms", "10s"]
    assert rows[3][:6] == ["attempt", "1", "by", "planner", "2s", "8s"]
    assert rows[4][:5] == ["planner", "asks", "[red]tiny�[2J", "3s", "5.5s"]


def test_scripts_get_all_of_it(sutazai: CommandLine, control: FakeControl) -> None:
    control.json("GET /tasks/t/trace", TRACE)

    assert json.loads(sutazai("trace", "t", "--json").out) == TRACE
