"""Where the host is not root: all agents are its user, and still there are walls between them."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict

import pytest

from sutazai.agent import landlock
from sutazai.agent.confinement import Walls
from sutazai.fleet.desired import Isolation
from sutazai.host.isolation.paths import both, closed_above, environment
from sutazai.host.isolation.view import make_view
from tests.host.isolation.probing import DENIED, both_run, open_folder, pid_of, prober, tried
from tests.host.machine import Machine, entered

SOMEBODY = 65534

HOST = """
import asyncio, json, os, sys
from pathlib import Path
from sutazai.agent.confinement import Walls, confine
from sutazai.fleet.places import Places
from sutazai.host.app import run
walls, places = json.loads({walls!r}), Places.of(Path(sys.argv[1]))
for top in (places.state.parent, places.runtime):
    for folder, _, files in os.walk(top):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.chown(path, {uid}, {uid})
walls.pop("fence")
confine(Walls(**walls))
asyncio.run(run(places, []))
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="to become somebody else takes root")


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> str:
    return open_folder(tmp_path_factory.mktemp("closed") / "code")


@pytest.fixture(scope="module")
def program_of_host(code: str) -> Iterator[str]:
    """A host that is not root."""
    shown = {*both(code, os.getcwd()), *environment()}
    closed = sorted({above for path in shown for above in closed_above(path)})
    view = make_view(closed=closed, hidden=(), shown=shown)
    walls = Walls(namespaces=view.entered, uid=SOMEBODY, groups=(SOMEBODY,))
    yield HOST.format(walls=json.dumps(asdict(walls)), uid=SOMEBODY)
    view.close()


@pytest.fixture
async def one(standing_machine: Machine, code: str) -> AsyncIterator[Machine]:
    """A machine with agents ``good`` and ``bad``, who go on from test to test."""
    async with entered(standing_machine) as running:
        await running.want(
            prober("good", code, Isolation(why="users of their own take root")),
            prober("bad", code, Isolation(why="users of their own take root")),
        )
        await both_run(running)
        yield running


async def test_status_says_what_holds_and_why_no_better(one: Machine) -> None:
    about = await tried(one, "bad", "about")
    assert about["uids"] == [SOMEBODY] and about["no_new_privileges"] == "1"
    assert about["capabilities"] == 0
    assert about["own"] == str(one.places.home("bad"))
    isolation = (await one.status()).isolation
    assert (isolation.own, isolation.shared) == (0, 2)
    assert "good, bad: users of their own take root" in isolation.why


@pytest.mark.skipif(landlock.abi() < landlock.SIGNALS, reason="Landlock without signals")
async def test_an_agent_reads_no_memory_of_another_and_signals_none(one: Machine) -> None:
    good = await pid_of(one, "good")
    for part in ("environ", "mem", "maps"):
        assert await tried(one, "bad", "read", f"/proc/{good}/{part}") in DENIED
    assert await tried(one, "bad", "send", good) in DENIED


async def test_the_fleets_files_and_sockets_are_out_of_sight(one: Machine) -> None:
    if not (await one.status()).isolation.hidden:
        pytest.skip("this kernel allows no user namespaces")
    token = one.places.token
    token.write_text("the token")
    token.chmod(0o644)
    assert await tried(one, "bad", "read", str(token)) in DENIED
    for socket in (one.places.host_socket, one.places.keeper_socket):
        assert await tried(one, "bad", "connect", str(socket)) in DENIED


async def test_the_host_goes_on_measuring_and_adopts(one: Machine) -> None:
    before = await pid_of(one, "good")
    status = await one.call("GET", "/status?memory=1")
    assert all(unit["instances"][0]["pss"] > 0 for unit in status["units"])
    await one.kill_host()
    assert await pid_of(one, "good") == before
