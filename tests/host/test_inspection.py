"""What a real host tells of what its instances really run under, and the restart of one of them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from sutazai.fleet.drift import HostHeld, InstanceHeld
from sutazai.fleet.status import State, UnitStatus
from tests.host.machine import Machine, agent, command

MIB = 1024**2
SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("first")
    os.utime(path, (1.0, 1.0))  # long before any instance starts
    return path


async def told(one: Machine) -> HostHeld:
    return HostHeld.model_validate(await one.call("GET", "/held"))


async def held(one: Machine, name: str) -> list[InstanceHeld]:
    return [each for each in (await told(one)).instances if each.unit == name]


def healthy(unit: UnitStatus) -> bool:
    return unit.state is State.HEALTHY


async def test_a_programs_variables_are_compared_and_never_told(one: Machine, secret: Path) -> None:
    environment = {"SECRET": f"file:{secret}", "PLAIN": "as it is", "PORT_TOLD": "{port}"}
    await one.want(command("tea", *SLEEPS, environment=environment))
    await one.until("tea", healthy)
    (before,) = await held(one, "tea")
    assert (before.variables, before.differing, before.why) == (3, {}, "")

    secret.write_text("second")

    (after,) = await held(one, "tea")
    assert after.differing == {"SECRET": "another value"}
    assert "second" not in json.dumps(await one.call("GET", "/held"))
    secret.unlink()
    assert not (await held(one, "tea"))[0].differing, "what cannot be read is no other value"


async def test_of_a_forked_agent_secrets_that_changed_are_seen(one: Machine, secret: Path) -> None:
    environment = {"SECRET": f"file:{secret}", "PLAIN": "as it is"}
    await one.want(agent("tea", "sutazai.agent.role:RoleAgent", environment=environment))
    unit = await one.until("tea", healthy)
    (before,) = await held(one, "tea")
    assert (before.variables, before.differing) == (1, {})
    assert "forked" in before.why

    secret.write_text("second")
    os.utime(secret, (unit.instances[0].since + 1,) * 2)

    assert (await held(one, "tea"))[0].differing == {
        "SECRET": "its file has changed since the start"
    }


async def test_limits_in_force_are_told(one: Machine) -> None:
    await one.want(command("tea", *SLEEPS, memory_limit=256 * MIB, cpu=2.0))
    await one.until("tea", healthy)
    status = await one.status()
    (tea,) = await held(one, "tea")
    assert tea.grouped == (status.limits != "accounting")
    assert tea.memory in ((256 * MIB,) if tea.grouped else (None,))
    assert tea.cores in ((2.0,) if status.caps_cpu else (None,))


async def test_who_sleeps_is_told_by_version_alone(one: Machine) -> None:
    await one.want(
        command("tea", *SLEEPS), agent("coffee", "sutazai.agent.role:RoleAgent", temperature="warm")
    )
    unit = await one.until("tea", healthy)

    seen = await told(one)

    assert seen.told.keys() == {"tea", "coffee"}
    assert [each.unit for each in seen.instances if not each.plane] == ["tea"]
    assert unit.instances[0].pid in seen.pids

    await one.call("POST", "/units/coffee/wake")
    assert (await held(one, "coffee"))[0].version == seen.told["coffee"]


async def test_what_ends_is_not_told(one: Machine) -> None:
    await one.want(command("tea", *SLEEPS))
    await one.until("tea", healthy)
    await one.call("POST", "/units/tea/stop")
    assert not await held(one, "tea")


async def test_one_instance_of_several_can_be_restarted(one: Machine) -> None:
    await one.want(agent("tea", "sutazai.agent.role:RoleAgent", replicas=2))
    before = await one.until("tea", lambda unit: _running(unit) == 2)
    chosen, other = (each.instance for each in before.instances)

    await one.call("POST", f"/units/tea/restart?instance={chosen}")

    after = await one.until(
        "tea",
        lambda unit: _running(unit) == 2 and chosen not in {i.instance for i in unit.instances},
    )
    assert other in {each.instance for each in after.instances}


def _running(unit: UnitStatus) -> int:
    return sum(each.state is State.HEALTHY for each in unit.instances)
