"""Real containers of a real engine, under a real host, told as stories."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from sutazai.fleet.desired import Container, Probe
from sutazai.fleet.errors import PeerClosed
from sutazai.fleet.spec import MIB, Network, Runtime
from sutazai.fleet.status import State, UnitStatus
from sutazai.host.containers import clear_containers
from sutazai.wire import Address
from tests.host.containers.podman import IMAGE, Podman, write_program
from tests.host.machine import Machine, agent, machine, standing

LONG = 60.0
"""Seconds that a story may take on a busy machine; nothing waits without need."""


@pytest.fixture(scope="module")
def standing_machine(engine: Podman) -> Iterator[Machine]:
    """A machine with that engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.host)
        with standing() as machine:
            yield machine
            clear_containers(machine.places)


@pytest.fixture
def program(tmp_path: Path) -> dict[str, Any]:
    command, volumes = write_program(tmp_path / "agent")
    return {
        "runtime": Runtime.CONTAINER,
        "command": command,
        "container": Container(image=IMAGE, volumes=volumes, network=Network.HOST),
        "options": {},
        "memory_limit": 128 * MIB,
        "probe": Probe(path="/health", interval=0.5, timeout=5.0, failures=5, grace=60.0),
    }


def healthy(unit: UnitStatus) -> bool:
    return unit.state is State.HEALTHY


async def ask(one: Machine, unit: UnitStatus, text: str) -> Any:
    address = Address.parse(str(unit.instances[0].address))
    return (await one.client.call("POST", address, "/invoke", {"input": text}))["output"]


def labelled(api: docker.APIClient, one: Machine) -> list[str]:
    found = api.containers(all=True, filters={"label": f"sutazai.fleet={one.places.state}"})
    return [each["Id"] for each in found]


async def test_a_container_becomes_healthy_works_and_is_held_to_its_limits(
    one: Machine, engine: Podman, program: dict[str, Any]
) -> None:
    await one.want(agent("crawler", **program, environment={"WORD": "{port}"}))
    unit = await one.until("crawler", healthy, LONG)

    assert await ask(one, unit, "tea") == "TEA"
    log = one.places.logs / "crawler.log"
    await one.until("crawler", lambda _: "asked for tea" in log.read_text(), LONG)
    [measured] = await measured_instances(one, "crawler")
    assert measured["limit"] == 128 * MIB
    assert measured["memory"] > 0
    with engine.api() as api:
        [container] = labelled(api, one)
        told = api.inspect_container(container)
        assert told["Config"]["Labels"]["sutazai.unit"] == "crawler"
        assert told["HostConfig"]["PidsLimit"] == 512
        await one.want()
        while labelled(api, one):
            await asyncio.sleep(0.05)


async def measured_instances(one: Machine, name: str) -> list[dict[str, Any]]:
    status = await one.call("GET", "/status?memory=1")
    found = next(unit["instances"] for unit in status["units"] if unit["name"] == name)
    return list(found)


async def test_a_memory_hog_is_told_as_out_of_memory_and_started_again(
    one: Machine, program: dict[str, Any]
) -> None:
    await one.want(agent("hog", **program))
    before = await one.until("hog", healthy, LONG)
    with pytest.raises(PeerClosed):
        await ask(one, before, "hog")

    after = await one.until("hog", lambda unit: unit.restarts == 1 and healthy(unit), LONG)
    assert after.last_exit is not None
    assert after.last_exit.out_of_memory
    assert after.last_exit.reason.startswith("out of memory: peak ")
    assert after.last_exit.limit == 128 * MIB
    assert "asked for hog" in after.last_exit.lines


async def test_a_new_host_goes_on_with_the_containers_and_their_output(
    one: Machine, program: dict[str, Any]
) -> None:
    await one.want(agent("stays", **program))
    before = await one.until("stays", healthy, LONG)
    await ask(one, before, "first")
    log = one.places.logs / "stays.log"
    await one.until("stays", lambda _: "asked for first" in log.read_text(), LONG)

    await one.kill_host()
    await ask(one, before, "between")
    after = await one.until("stays", healthy, LONG)
    await ask(one, after, "then")
    await one.until("stays", lambda _: "asked for then" in log.read_text(), LONG)

    assert after.instances[0].instance == before.instances[0].instance
    assert after.restarts == 0
    said = [line.rpartition("| ")[2] for line in log.read_text().splitlines()]
    asked = [line for line in said if line.startswith("asked")]
    assert asked == ["asked for first", "asked for between", "asked for then"]


async def test_an_end_while_no_host_ran_is_told_with_its_exit_code(
    one: Machine, program: dict[str, Any]
) -> None:
    await one.want(agent("leaves", **program))
    unit = await one.until("leaves", healthy, LONG)
    host = (await one.status()).pid
    os.kill(one.keeper.pid, signal.SIGSTOP)  # or it would start a new host at once
    os.kill(host, signal.SIGKILL)
    with pytest.raises(PeerClosed):
        await ask(one, unit, "exit")
    os.kill(one.keeper.pid, signal.SIGCONT)

    again = await one.until("leaves", lambda unit: unit.restarts == 1 and healthy(unit), LONG)
    assert again.last_exit is not None
    assert again.last_exit.status == 17


async def test_a_container_that_runs_already_is_taken_and_left_alone(
    one: Machine, engine: Podman, program: dict[str, Any], free_port: int
) -> None:
    spec: Container = program["container"]
    with engine.api() as api:
        theirs = start_by_hand(api, spec, program["command"], free_port)
        attached = spec.model_copy(update={"attach": "shop-crawler-1", "port": free_port})
        await one.want(agent("crawler", **{**program, "container": attached}))
        unit = await one.until("crawler", healthy, LONG)

        assert unit.instances[0].address == f"http://127.0.0.1:{free_port}"
        assert await ask(one, unit, "tea") == "TEA"
        assert any(event.kind == "attached" for event in await one.events())
        assert labelled(api, one) == []
        await one.want()
        async with asyncio.timeout(LONG):
            while any(each.name == "crawler" for each in (await one.status()).units):
                await asyncio.sleep(0.05)
        assert api.inspect_container(theirs)["State"]["Running"]
        api.remove_container(theirs, force=True)


def start_by_hand(
    api: docker.APIClient, spec: Container, command: tuple[str, ...], port: int
) -> str:
    limits = [docker.types.Ulimit(name=name, soft=1024, hard=1024) for name in ("nofile", "nproc")]
    host = api.create_host_config(network_mode="host", binds=list(spec.volumes), ulimits=limits)
    made = api.create_container(
        spec.image,
        list(command),
        name="shop-crawler-1",
        host_config=host,
        environment={"PORT": str(port)},
    )
    api.start(made["Id"])
    return str(made["Id"])


async def test_an_image_that_cannot_be_had_is_told_with_what_to_do(
    one: Machine, program: dict[str, Any]
) -> None:
    missing = Container(image="localhost:1/nobody/nothing:1", network=Network.HOST)
    await one.want(agent("nothing", **{**program, "container": missing}))
    unit = await one.until("nothing", lambda unit: unit.last_exit is not None, LONG)

    assert unit.last_exit is not None
    assert "is not on this machine and cannot be pulled" in unit.last_exit.reason


async def test_a_fleet_whose_host_is_dead_is_cleared_of_its_containers_alone(
    engine: Podman, program: dict[str, Any], free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    async with machine() as one:
        await one.want(agent("left", **program))
        await one.until("left", healthy, LONG)
        host = (await one.status()).pid
        one.keeper.kill()
        one.keeper.wait()
        os.kill(host, signal.SIGKILL)

        with engine.api() as api:
            theirs = start_by_hand(api, program["container"], program["command"], free_port)
            assert await asyncio.to_thread(clear_containers, one.places) == 1
            assert labelled(api, one) == []
            assert not one.places.containers.exists()
            assert api.inspect_container(theirs)["State"]["Running"]
            api.remove_container(theirs, force=True)
