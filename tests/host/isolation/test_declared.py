"""What a unit declares of paths, ports and cores, held on a real host."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from sutazai.agent import landlock
from sutazai.fleet.desired import Isolation
from sutazai.fleet.status import State, UnitStatus
from tests.host.isolation.probing import DENIED, open_folder, prober, tried
from tests.host.machine import Machine, agent, command

UID = 1_900_999_100 if os.geteuid() == 0 else None

needs_paths = pytest.mark.skipif(landlock.abi() < landlock.LEAST, reason="no Landlock here")
needs_ports = pytest.mark.skipif(landlock.abi() < landlock.PORTS, reason="Landlock without ports")


@pytest.fixture
def code(tmp_path: Path) -> str:
    return open_folder(tmp_path / "code")


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@needs_paths
async def test_declared_paths_are_reached_and_no_others(
    one: Machine, code: str, tmp_path: Path
) -> None:
    for name in ("given", "other"):
        open_folder(tmp_path / name)
    reads, writes = str(tmp_path / "given"), str(tmp_path / "made" / "here")
    await one.want(prober("held", code, Isolation(uid=UID, reads=(reads,), writes=(writes,))))
    assert "Prober" in await tried(one, "held", "read", f"{reads}/prober.py")
    assert await tried(one, "held", "write", f"{reads}/new", "x") in DENIED
    assert await tried(one, "held", "write", f"{writes}/new", "x") == "written"
    assert await tried(one, "held", "look", str(tmp_path / "other")) in DENIED
    assert await tried(one, "held", "write", "/tmp/sutazai-should-not-be", "x") in DENIED
    about = await tried(one, "held", "about")
    assert about["scratch"] == f"{one.places.home('held')}/tmp"
    assert about["name"].startswith("held-")
    assert "3" in await tried(one, "held", "run", "expr", "1", "+", "2")


@needs_ports
async def test_egress_none_has_no_network_and_ports_are_held(
    one: Machine, code: str, listening: int
) -> None:
    await one.want(
        prober("mute", code, Isolation(uid=UID, egress=())),
        prober("picky", code, Isolation(uid=UID, egress=(listening,))),
        prober("pickier", code, Isolation(uid=UID, egress=(1,))),
        prober("free", code, Isolation(uid=UID)),
    )
    assert await tried(one, "mute", "dial", listening) in {*DENIED, "ENETUNREACH"}
    assert await tried(one, "picky", "dial", listening) == "connected"
    assert await tried(one, "pickier", "dial", listening) in DENIED
    assert await tried(one, "free", "dial", listening) == "connected"


async def test_cores_are_those_that_are_declared(one: Machine) -> None:
    core = max(os.sched_getaffinity(0))
    report = f"{sys.executable} -c 'import os; print(os.sched_getaffinity(0))'"
    await one.want(
        command("bound", "sh", "-c", f"{report}; exec sleep 100", cores=(core,)),
        command("afar", "sh", "-c", f"{report}; exec sleep 100", cores=(core, 4000)),
    )
    for name, cores in (("bound", {core}), ("afar", os.sched_getaffinity(0))):
        log = one.places.logs / f"{name}.log"
        await one.until(name, partial(_has_said, log))
        assert f"| {cores}\n" in log.read_text()


def _has_said(log: Path, _: UnitStatus) -> bool:
    return log.exists() and "}" in log.read_text()


@pytest.mark.skipif(UID is None, reason="users of their own take root")
async def test_a_folder_that_it_may_not_write_to_is_said(
    one: Machine, code: str, tmp_path: Path
) -> None:
    folder = open_folder(tmp_path / "data")
    await one.want(agent("writer", isolation=Isolation(uid=UID, writes=(folder,))))
    unit = await one.until(
        "writer", lambda unit: unit.state in (State.BACKING_OFF, State.FAILED) and bool(unit.reason)
    )
    assert f"writer runs as user {UID}, who may not write to {folder}" in unit.reason
