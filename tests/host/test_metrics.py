"""What a real host tells of real processes, read by Prometheus' own parser."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from sutazai.fleet.status import State
from sutazai.host.machine.cpus import read_busy
from sutazai.wire import Address
from tests.host.machine import Machine, agent, command

BUSY = "import time\nwhile time.process_time() < 0.5: pass\ntime.sleep(600)"
"""Longer than is waited for: its group does not count what it took before it was in it."""

Told = dict[tuple[str, str], float]


async def told(here: Machine) -> Told:
    """Values by name and the first label's value."""
    where = Address.parse(f"unix:{here.places.host_socket}")
    async with await here.client.request("GET", where, "/metrics") as answer:
        assert answer.status == 200
        text = (await answer.read()).decode()
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def until_told(here: Machine, name: str, of: str, least: float) -> Told:
    async with asyncio.timeout(60):
        while (found := await told(here)).get((name, of), -1.0) < least:
            await asyncio.sleep(0.1)
    return found


async def test_a_host_tells_what_its_units_take(one: Machine) -> None:
    await one.want(
        command("worker", "python3", "-c", BUSY),
        command("stopped", "sleep", "600", stopped=True),
        command("absent", "no-such-program-anywhere"),
    )
    await until_told(one, "sutazai_service_up", "worker", 1)
    found = await until_told(one, "sutazai_service_cpu_seconds_total", "worker", 0.3)

    assert found["sutazai_service_memory_bytes", "worker"] > 1_000_000
    assert found["sutazai_service_restarts_total", "worker"] == 0
    assert ("sutazai_service_up", "stopped") not in found  # nobody wants it
    assert found["sutazai_service_memory_bytes", "stopped"] == 0
    assert found["sutazai_services", "healthy"] == 1
    assert found["sutazai_pool_used_bytes", "standard"] >= 1_000_000
    assert found["sutazai_machine_memory_size_bytes", ""] > 0
    assert found["sutazai_process_resident_memory_bytes", "host"] > 0

    os.kill((await one.unit("worker")).instances[0].pid, signal.SIGKILL)
    after = await until_told(one, "sutazai_service_restarts_total", "worker", 1)
    assert after["sutazai_service_cpu_seconds_total", "worker"] >= 0.3


async def test_what_slept_and_slept_again_is_counted_on(one: Machine) -> None:
    tea, coffee = [
        agent(name, "sutazai.agent.role:RoleAgent", temperature="warm")
        for name in ("tea", "coffee")
    ]
    await one.want(tea, coffee)
    before = await told(one)
    assert before["sutazai_agents", "asleep"] == 2
    assert before["sutazai_agent_memory_bytes", "tea"] == 0
    assert ("sutazai_agent_up", "tea") not in before  # nobody wants it

    await one.call("POST", "/units/tea/wake")
    awake = await until_told(one, "sutazai_agent_up", "tea", 1)
    assert awake["sutazai_agent_memory_bytes", "tea"] > 0
    await one.want(tea.model_copy(update={"idle_after": 0.2}), coffee)
    await one.until("tea", lambda unit: unit.state is State.ASLEEP and not unit.instances)

    after = await told(one)
    assert after["sutazai_agents", "asleep"] == 2
    assert after["sutazai_agent_memory_bytes", "tea"] == 0
    assert after["sutazai_agent_cpu_seconds_total", "tea"] > 0
    assert after["sutazai_agent_cpu_seconds_total", "coffee"] == 0


async def test_who_asks_at_once_is_told_the_same(one: Machine) -> None:
    await one.want(command("sleeper", "sleep", "600"))
    await until_told(one, "sutazai_service_up", "sleeper", 1)

    answers = await asyncio.gather(*(told(one) for _ in range(5)))

    assert {each["sutazai_service_restarts_total", "sleeper"] for each in answers} == {0}


def test_cores_are_told_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text(
        "cpu  300 0 300 900 100 0 0 0 0 0\n"
        "cpu0 100 0 100 500 50 0 0 0 0 0\n"
        "cpu7 200 10 200 400 50 0 0 0 9 9\n"
        "intr 5\n"
    )
    ticks = os.sysconf("SC_CLK_TCK")

    assert read_busy(tmp_path) == {"0": 200 / ticks, "7": 410 / ticks}
    assert read_busy(tmp_path / "nowhere") == {}
    assert len(read_busy()) >= 1
