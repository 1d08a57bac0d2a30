"""A fleet is broken on purpose while it works: nothing that was accepted is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet

PLAN = """
for: 9s
seed: 5
tasks_per_minute: 60
actions:
  - {at: 500ms, do: kill, what: agents, count: 2}
  - {at: 1500ms, do: kill, what: gateway}
  - {at: 2500ms, do: connections, drop: 0.2, delay: 20ms, for: 1s}
  - {at: 3s, do: kill, what: control}
  - {at: 5s, do: freeze, what: agents, for: 500ms}
  - {at: 5500ms, do: kill, what: host}
  - {at: 6500ms, do: memory, size: 64MiB, for: 500ms}
  - {at: 7s, do: cpu, cores: 1, for: 500ms}
  - {at: 8s, do: kill, what: nobody}
"""


def test_no_accepted_task_is_lost(hurt_fleet: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "chaos.yaml"
    file.write_text(PLAN)
    report = json.loads(hurt_fleet.must("chaos", "run", str(file), "--json", timeout=300))
    tasks, done = report["tasks"], report["done"]
    assert tasks["lost"] == 0 and tasks["accepted"] >= 5
    ended = sum(tasks.get(state, 0) for state in ("done", "failed", "cancelled"))
    assert ended == tasks["accepted"] and tasks["done"] >= 3
    hit = {unit for deed in done for unit in deed["units"]}
    assert {"gateway", "control", "host"} < hit
    assert all(
        deed["back"] is not None for deed in done if deed["units"] and "kill" in deed["what"]
    )
    nobody = next(deed for deed in done if deed["what"] == "kill nobody")
    assert nobody["trouble"] == "no process of nobody runs"
    assert hurt_fleet.agent("echo")["state"] == "healthy"


@pytest.mark.soak
def test_nor_by_what_is_drawn_by_lot(default_fleet: Fleet) -> None:
    arguments = ("chaos", "run", "--random", "--seed", "7", "--for", "60s", "--json")
    report = json.loads(default_fleet.must(*arguments, timeout=600))
    assert report["tasks"]["lost"] == 0 and report["tasks"]["accepted"]


def test_a_plan_can_be_looked_at_first(hurt_fleet: Fleet) -> None:
    before = hurt_fleet.status()["planes"]
    shown = hurt_fleet.must("chaos", "run", "--random", "--seed", "7", "--dry-run")
    assert "kill" in shown and len(shown.splitlines()) > 5
    after = hurt_fleet.status()["planes"]
    assert [plane["instances"][0]["pid"] for plane in before] == [
        plane["instances"][0]["pid"] for plane in after
    ]
    refused = hurt_fleet.cli("chaos", "run")
    assert refused.returncode == 2 and "--random" in refused.stderr
