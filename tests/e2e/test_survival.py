"""Any one process is killed; the others go on, and what died comes back."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import httpx
import pytest

from tests.e2e.fleet import Fleet, eventually


def pid_of(unit: dict[str, Any]) -> int:
    return int(unit["instances"][0]["pid"])


def agent_pids(fleet: Fleet) -> dict[str, int]:
    return {
        agent["name"]: pid_of(agent) for agent in fleet.status()["agents"] if agent["instances"]
    }


def comes_back(fleet: Fleet, read: Any, old: int) -> float:
    """Seconds until something healthy with another process id answers."""
    began = time.monotonic()

    def is_back() -> bool:
        try:
            unit = read()
        except AssertionError:
            return False
        return unit["state"] == "healthy" and pid_of(unit) != old

    eventually(is_back, 60, "it is back")
    return time.monotonic() - began


def test_a_killed_instance_is_back_and_the_log_says_why(hurt_fleet: Fleet) -> None:
    old = pid_of(hurt_fleet.agent("echo"))
    os.kill(old, signal.SIGKILL)
    seconds = comes_back(hurt_fleet, lambda: hurt_fleet.agent("echo"), old)
    print(f"instance back after {seconds:.2f} s, as seen by a status command")
    assert "SIGKILL" in hurt_fleet.must("events")


def test_a_killed_gateway_refuses_no_connection(hurt_fleet: Fleet) -> None:
    before = agent_pids(hurt_fleet)
    old = pid_of(hurt_fleet.plane("gateway"))
    os.kill(old, signal.SIGKILL)
    began = time.monotonic()
    answer = httpx.get(f"{hurt_fleet.gateway}/v1/models", timeout=60)
    print(f"gateway answers again after {time.monotonic() - began:.2f} s")
    assert answer.status_code == 200
    eventually(lambda: hurt_fleet.plane("gateway")["state"] == "healthy")
    assert agent_pids(hurt_fleet) == before


def test_a_killed_host_adopts_what_runs(hurt_fleet: Fleet) -> None:
    before = agent_pids(hurt_fleet)
    gateway = pid_of(hurt_fleet.plane("gateway"))
    host = host_pid(hurt_fleet)
    os.kill(host, signal.SIGKILL)
    began = time.monotonic()
    eventually(lambda: host_pid(hurt_fleet) not in (0, host), 60, "a new host")
    eventually(lambda: hurt_fleet.agent("echo")["state"] == "healthy", 60, "agents adopted")
    print(f"host back after {time.monotonic() - began:.2f} s")
    assert agent_pids(hurt_fleet) == before
    assert pid_of(hurt_fleet.plane("gateway")) == gateway
    assert '"echo"' in hurt_fleet.must("ask", "echo", "hello", "--json")


def test_a_killed_control_restarts_nothing(hurt_fleet: Fleet) -> None:
    before = agent_pids(hurt_fleet)
    old = pid_of(hurt_fleet.plane("control"))
    os.kill(old, signal.SIGKILL)
    seconds = comes_back(hurt_fleet, lambda: hurt_fleet.plane("control"), old)
    print(f"control back after {seconds:.2f} s")
    assert agent_pids(hurt_fleet) == before


def test_a_killed_llm_comes_back(hurt_fleet: Fleet) -> None:
    old = pid_of(hurt_fleet.plane("llm"))
    os.kill(old, signal.SIGKILL)
    comes_back(hurt_fleet, lambda: hurt_fleet.plane("llm"), old)
    assert eventually(lambda: hurt_fleet.cli("ask", "planner", "Say hi.").stdout.strip(), 60)


@pytest.mark.parametrize("what", ["raise", "exit"])
def test_trouble_in_an_agent_fails_its_task_with_the_reason(hurt_fleet: Fleet, what: str) -> None:
    old = pid_of(hurt_fleet.agent("trouble"))
    done = hurt_fleet.cli("ask", "trouble", what)
    assert done.returncode == 1
    reason = "made to fail" if what == "raise" else "status 17"
    assert reason in done.stderr
    comes_back(hurt_fleet, lambda: hurt_fleet.agent("trouble"), old if what == "exit" else 0)
    assert hurt_fleet.must("ask", "trouble", "go on").strip()


def test_a_hanging_agent_fails_its_task_at_the_deadline(hurt_fleet: Fleet) -> None:
    answer = httpx.post(
        f"{hurt_fleet.control}/api/v1/agents/trouble/invoke",
        json={"input": "hang", "deadline": 0.5},
        headers={"authorization": f"Bearer {hurt_fleet.token}"},
        timeout=60,
    )
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "DeadlineExceeded"


def host_pid(fleet: Fleet) -> int:
    for pid in fleet.processes():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read().split(b"\0")
        except OSError:
            continue
        if b"sutazai.host" in arguments:
            return pid
    return 0
