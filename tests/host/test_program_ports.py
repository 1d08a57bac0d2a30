"""Ports of programs that are told where to listen."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from sutazai.fleet.desired import Probe
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import State
from sutazai.host.instances.ports import FIRST, LAST, free_port, holder_of
from tests.host.machine import Machine
from tests.host.test_demand import program


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        yield foreign.getsockname()[1]


def test_no_port_is_given_out_twice_while_programs_start() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200
    assert all(FIRST <= port <= LAST for port in ports)


async def test_who_has_a_port_is_named(taken: int) -> None:
    said = await holder_of(f"http://127.0.0.1:{taken}")
    assert said.startswith(f"port {taken} is taken by ")
    assert await holder_of(f"http://127.0.0.1:{free_port()}") == ""
    assert await holder_of("unix:/run/x") == ""


async def test_a_clash_with_somebody_elses_program_is_told(one: Machine, taken: int) -> None:
    probe = Probe(path="/no-such-thing", interval=0.1, grace=30.0)
    address = f"http://127.0.0.1:{taken}"
    await one.want(program("web", temperature=Temperature.HOT, address=address, probe=probe))
    unit = await one.until("web", lambda unit: unit.last_exit is not None, within=60)
    assert unit.last_exit is not None
    assert f"; port {taken} is taken by " in unit.last_exit.reason


async def test_two_versions_of_a_program_stand_beside_each_other_on_ports_of_their_own(
    one: Machine,
) -> None:
    await one.want(program("web", temperature=Temperature.HOT))
    old = (await one.until("web", lambda unit: unit.state is State.HEALTHY)).instances[0]
    slow = ("sh", "-c", f"sleep 1; exec {sys.executable} -m http.server -b 127.0.0.1 {{port}}")
    await one.want(program("web", temperature=Temperature.HOT, version="2", command=slow))
    both = await one.until("web", lambda unit: len(unit.instances) == 2)
    assert len({each.address for each in both.instances}) == 2
    new = await one.until("web", lambda unit: [each.version for each in unit.instances] == ["2"])
    assert new.instances[0].address != old.address
