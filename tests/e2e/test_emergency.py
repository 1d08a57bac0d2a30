"""What helps in an emergency, on a whole fleet of real processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sutazai.host.limits import choose
from tests.e2e.fleet import Fleet, eventually, running

FILE = """
name: small
agents:
  low: {temperature: hot, priority: low, prompt: "Answer.", sampling: {max_tokens: 8}}
  high: {temperature: hot, priority: high, prompt: "Answer.", sampling: {max_tokens: 8}}
  kept: {temperature: hot, pool: critical, prompt: "Answer.", sampling: {max_tokens: 8}}
services:
  database: {command: [sleep, "1000"]}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One for all tests; the last of them leaves an agent asleep."""
    file = tmp_path_factory.mktemp("emergency") / "fleet.yaml"
    file.write_text(FILE)
    with running(file) as fleet:
        yield fleet


def pids(fleet: Fleet) -> dict[str, int]:
    status = fleet.status()
    units = [*status["agents"], *status["services"]]
    return {unit["name"]: unit["instances"][0]["pid"] for unit in units if unit["instances"]}


def test_all_agents_are_held_to_a_part_of_a_core_until_they_are_released(
    fleet: Fleet, tmp_path: Path
) -> None:
    groups = choose("sutazai-look", tmp_path / "groups.json")
    caps = groups.caps_cpu
    groups.close()
    if not caps:
        refused = fleet.cli("emergency", "cpu")
        assert refused.returncode == 6
        assert "cannot be held to a part of a core here" in refused.stderr
        pytest.skip("this machine holds nobody to a part of a core")
    before = pids(fleet)
    assert "would be held to 0.1 cores" in fleet.must("emergency", "cpu", "--dry-run")
    assert "EMERGENCY" not in fleet.must("status")
    assert "3 instances of 3 agents" in fleet.must("emergency", "cpu")
    assert "EMERGENCY: all agents are held to 0.1 cores" in fleet.must("status")
    assert "EMERGENCY: all agents are held to 0.1 cores" in fleet.must("top", "--once")
    assert [quota_of(pid) for pid in before.values()] == [0.1, 0.1, 0.1, 1.0]
    fleet.must("agents", "restart", "low")
    eventually(lambda: pids(fleet).get("low", before["low"]) != before["low"])
    assert quota_of(pids(fleet)["low"]) == 0.1, "a new instance is held too"
    fleet.must("emergency", "cpu", "--release")
    assert "EMERGENCY" not in fleet.must("status")
    assert quota_of(pids(fleet)["high"]) == 1.0
    assert pids(fleet)["high"] == before["high"], "nobody was restarted for that"


def quota_of(pid: int) -> float:
    """Cores that the control group of a process may take."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            group = next(Path("/sys/fs/cgroup").glob(f"cpu*{path}/cpu.cfs_quota_us"))
            return int(group.read_text()) / 100_000
        if controllers == "":
            file = Path(f"/sys/fs/cgroup{path}/cpu.max")
            if file.exists():
                return int(file.read_text().split()[0]) / 100_000
    raise AssertionError(f"process {pid} is in no group with a quota")


def test_what_can_be_done_without_is_listed_and_removed(fleet: Fleet) -> None:
    older = fleet.state / "logs" / "low.1.log"
    older.write_bytes(b"x" * 5000)
    said = json.loads(fleet.must("emergency", "clean", "--dry-run", "--json"))
    assert {"path": str(older), "size": 5000, "what": "an older log"} in said["files"]
    assert older.exists()
    assert str(older.name) in fleet.must("emergency", "clean")
    assert not older.exists()
    assert (fleet.state / "logs" / "keeper.log").exists()


def test_a_full_restart_ends_in_order_comes_back_and_is_tested(fleet: Fleet) -> None:
    before = pids(fleet)
    planned = fleet.must("emergency", "restart", "--dry-run")
    assert "would end" in planned
    assert pids(fleet) == before

    done = json.loads(fleet.must("emergency", "restart", "--json", timeout=300))
    assert done["good"], done
    assert [test["name"] for test in done["tests"]] == ["gateway", "model", "agent"]
    agents, services, *_ = done["plan"]["waves"]
    assert set(agents) == {"low", "high", "kept"}
    assert services == ["database"]
    after = pids(fleet)
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())
    assert all(agent["restarts"] == 0 for agent in fleet.status()["agents"])


def test_memory_is_freed_by_ending_the_idle_and_a_call_wakes_them(fleet: Fleet) -> None:
    def chosen(*options: str) -> list[str]:
        said = json.loads(fleet.must("emergency", "memory", "--json", *options))
        return [one["unit"] for one in said["chosen"]]

    eventually(lambda: chosen("--dry-run") == ["low", "high"])
    assert chosen("--dry-run", "--until", "100") == []
    assert "would free" in fleet.must("emergency", "memory", "--dry-run")
    assert len(pids(fleet)) == 4, "a dry run ends nobody"

    done = json.loads(fleet.must("emergency", "memory", "--json"))
    assert [one["outcome"] for one in done["chosen"]] == ["ended", "ended"]
    assert done["freed"] > 0
    assert set(pids(fleet)) == {"kept", "database"}
    assert "memory was asked for" in fleet.agent("low")["reason"]
    fleet.must("ask", "low", "Say yes.")
    assert "low" in pids(fleet)
    assert "high" not in pids(fleet)
