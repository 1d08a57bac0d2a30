"""What a real host tells of what its instances really run under, and the restart of one of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sutazai.fleet.drift import InstanceHeld
from sutazai.fleet.status import State, UnitStatus
from tests.host.machine import Machine, agent, command, machine

MIB = 1024**2
SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
async def one() -> AsyncIterator[Machine]:
    async with machine() as running:
        yield running


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("first")
    os.utime(path, (1.0, 1.0))  # long before any instance starts
    return path


async def held(one: Machine, name: str) -> list[InstanceHeld]:
    told = [InstanceHeld.model_validate(each) for each in await one.call("GET", "/held")]
    return [each for each in told if each.unit == name]


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
    (told,) = await held(one, "tea")
    assert told.grouped == (status.limits != "accounting")
    assert told.memory in ((256 * MIB,) if told.grouped else (None,))
    assert told.cores in ((2.0,) if status.caps_cpu else (None,))


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
