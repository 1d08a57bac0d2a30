"""Where the host is root: each agent is a user of its own, and reaches nothing of the others."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sutazai.fleet.desired import Isolation
from tests.host.isolation.probing import (
    DENIED,
    both_run,
    healthy,
    open_folder,
    pid_of,
    prober,
    tried,
)
from tests.host.machine import Machine, command, entered

FIRST, SECOND = 1_900_999_000, 1_900_999_001

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="users of their own take root")


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Code below a closed folder."""
    return Path(open_folder(tmp_path_factory.mktemp("closed") / "code"))


@pytest.fixture
async def one(standing_machine: Machine, code: Path) -> AsyncIterator[Machine]:
    """A machine with two agents, ``good`` and ``bad``, who go on from test to test."""
    async with entered(standing_machine) as running:
        await running.want(
            prober(
                "good", str(code), Isolation(uid=FIRST), environment={"SUTAZAI_KEY": "secret-key"}
            ),
            prober("bad", str(code), Isolation(uid=SECOND)),
        )
        await both_run(running)
        isolation = (await running.status()).isolation
        if isolation.own != 2:
            pytest.skip(f"no users of their own here: {isolation.why}")
        yield running


async def test_an_agent_is_a_user_of_its_own_without_rights(one: Machine) -> None:
    about = await tried(one, "bad", "about")
    assert about["uids"] == [SECOND] and about["groups"] == [SECOND]
    assert about["capabilities"] == 0
    assert about["no_new_privileges"] == "1"
    assert about["home"] == about["own"] == str(one.places.home("bad"))
    assert about["name"].startswith("bad-")
    assert (await one.status()).isolation.why == ()


async def test_it_has_a_home_that_no_other_reads(one: Machine) -> None:
    mine, theirs = one.places.home("good") / "diary", one.places.home("bad") / "diary"
    assert await tried(one, "good", "write", str(mine), "dear diary") == "written"
    assert await tried(one, "good", "read", str(mine)) == "dear diary"
    assert await tried(one, "bad", "read", str(mine)) in DENIED
    assert await tried(one, "bad", "look", str(one.places.home("good"))) in DENIED
    assert await tried(one, "bad", "look", str(one.places.homes)) in DENIED
    assert await tried(one, "good", "write", str(theirs), "I was here") in DENIED


async def test_it_reads_neither_memory_nor_environment_of_another(one: Machine) -> None:
    good = await pid_of(one, "good")
    for part in ("environ", "mem", "maps"):
        assert await tried(one, "bad", "read", f"/proc/{good}/{part}") in DENIED
    assert await tried(one, "bad", "send", good) in DENIED


async def test_it_sees_neither_the_fleets_files_nor_its_sockets(one: Machine) -> None:
    token = one.places.token
    token.write_text("the token")
    good = (await one.until("good", healthy)).instances[0].address
    assert await tried(one, "bad", "read", str(token)) in DENIED
    assert await tried(one, "bad", "read", str(one.places.desired)) in DENIED
    assert await tried(one, "bad", "read", str(one.places.logs / "good.log")) in DENIED
    for path in (one.places.host_socket, one.places.keeper_socket, str(good)[len("unix:") :]):
        assert await tried(one, "bad", "connect", str(path)) in DENIED


async def test_a_setuid_program_gains_nothing(one: Machine, code: Path) -> None:
    program = code / "whoami"
    program.write_bytes(Path("/usr/bin/id").read_bytes())
    program.chmod(0o4755)
    assert (await tried(one, "bad", "run", str(program), "-u")).strip() == str(SECOND)


async def test_the_host_goes_on_measuring_it(one: Machine) -> None:
    await pid_of(one, "good")
    status = await one.call("GET", "/status?memory=1")
    assert all(unit["instances"][0]["pss"] > 0 for unit in status["units"])


async def test_what_it_owned_before_stays_its_own(one: Machine, code: Path) -> None:
    note = one.places.home("good") / "note"
    await tried(one, "good", "write", str(note), "kept")
    moved = Isolation(uid=FIRST + 7)
    await one.want(prober("good", str(code), moved, version="2"))
    await one.until("good", lambda unit: [i.version for i in unit.instances] == ["2"], 60)
    assert await tried(one, "good", "read", str(note)) == "kept"
    assert note.stat().st_uid == FIRST + 7


async def test_code_that_is_closed_to_others_runs_as_the_host_and_says_so(
    one: Machine, tmp_path: Path
) -> None:
    closed = open_folder(tmp_path / "closed")
    Path(closed).chmod(0o700)
    await one.want(prober("good", closed, Isolation(uid=FIRST), version="2"))
    await one.until("good", lambda unit: [i.version for i in unit.instances] == ["2"], 60)
    about = await tried(one, "good", "about")
    assert about["uids"] == [0] and about["no_new_privileges"] == "1"
    token = one.places.token
    token.write_text("the token")
    assert await tried(one, "good", "read", str(token)) in DENIED
    isolation = (await one.status()).isolation
    assert (isolation.own, isolation.shared) == (0, 1)
    assert isolation.why == (f"good: {closed} is closed to other users; move it, or chmod o+rX",)


async def test_a_program_becomes_a_user_of_its_own_and_keeps_its_output(
    one: Machine, code: Path
) -> None:
    script = 'id -u > /dev/stdout; echo "home $HOME"; exec sleep 100'
    unit = command("program", "sh", "-c", script, directory=str(code))
    await one.want(unit.model_copy(update={"isolation": Isolation(uid=FIRST + 9)}))
    log = one.places.logs / "program.log"
    await one.until("program", lambda _: log.exists() and "home" in log.read_text())
    assert f"| {FIRST + 9}\n" in log.read_text()
    assert f"| home {one.places.home('program')}\n" in log.read_text()


async def test_a_new_host_adopts_it(one: Machine) -> None:
    before = await pid_of(one, "bad")
    await one.kill_host()
    assert await pid_of(one, "bad") == before
    await one.call("POST", "/units/bad/restart")
    await one.until("bad", lambda unit: bool(unit.instances) and unit.instances[0].pid != before)
    assert (await tried(one, "bad", "about"))["uids"] == [SECOND]
