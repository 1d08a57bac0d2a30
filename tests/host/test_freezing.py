"""Warm programs stand still while nobody needs them, where there is swap for their memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.spec import Runtime, Temperature
from sutazai.fleet.status import State, UnitStatus
from sutazai.host.units.freezing import may_freeze
from tests.gateway.house import KEY
from tests.host.machine import Machine, agent, machine
from tests.host.test_demand import gateway, program

HOST = """
import asyncio, sys
from pathlib import Path
from typing import Any
from sutazai.fleet.places import Places
from sutazai.host.app import run
asyncio.run(run(Places.of(Path(sys.argv[1])), [], read_swap=lambda: 2**40))
"""
"""A machine with swap without end, as far as the host knows."""


@pytest.fixture
async def one() -> AsyncIterator[Machine]:
    async with machine(HOST) as running:
        if (await running.status()).limits == "accounting":
            pytest.skip("needs control groups")
        yield running


def is_frozen(unit: UnitStatus) -> bool:
    return [each.state for each in unit.instances] == [State.FROZEN]


def warm(*, idle_after: float = 0.5, **changes: Any) -> DesiredUnit:
    return program("web", temperature=Temperature.WARM, idle_after=idle_after, **changes)


def process_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_an_idle_program_stands_still_goes_on_and_ends_politely(one: Machine) -> None:
    await one.want(warm(stop_timeout=60.0))
    async with gateway(one, "web") as house:
        assert (await house.get("/agents/web/", key=KEY)).status == 200
        frozen = await one.until("web", is_frozen)
        assert frozen.state is State.ASLEEP
        assert "stands still" in frozen.reason
        pid = frozen.instances[0].pid
        assert process_state(pid) == "T"
        assert (await house.get("/agents/web/", key=KEY)).status == 200
        again = await one.until("web", is_frozen)
        assert again.instances[0].pid == pid, "it is the same process"
        assert again.restarts == 0

        await one.want(warm(stop_timeout=60.0, version="2"))
        await one.until("web", lambda unit: not unit.instances)
        assert (await house.get("/agents/web/", key=KEY)).status == 200
        await one.until("web", is_frozen)
        await one.call("POST", "/units/web/stop")
        await one.until("web", lambda unit: unit.state is State.STOPPED)


async def test_a_new_host_lets_a_frozen_program_go_on(one: Machine) -> None:
    await one.want(warm(idle_after=3.0))  # so long it is seen to go on
    async with gateway(one, "web") as house:
        assert (await house.get("/agents/web/", key=KEY)).status == 200
        frozen = await one.until("web", is_frozen)
        await one.kill_host()
        await one.until("web", lambda unit: unit.state is State.HEALTHY)
        assert (await house.get("/agents/web/", key=KEY)).status == 200
        assert (await one.unit("web")).instances[0].pid == frozen.instances[0].pid


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_only_warm_programs_are_frozen_and_only_into_swap(memory: int, swap: int) -> None:
    web = program("web", temperature=Temperature.WARM)
    assert may_freeze(web, memory=memory, swap_free=swap) is (swap >= 2 * memory)
    assert not may_freeze(web, memory=None, swap_free=swap)
    assert not may_freeze(program("web"), memory=memory, swap_free=swap), "it is cold"
    ours = agent("ours", temperature=Temperature.WARM)
    assert ours.runtime is Runtime.PYTHON
    assert not may_freeze(ours, memory=memory, swap_free=swap)
