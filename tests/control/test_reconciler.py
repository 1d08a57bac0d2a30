"""Peers are told once, told again when they forgot, and never told anything else."""

from __future__ import annotations

import asyncio
import time

from sutazai.control.api.parts import Parts
from sutazai.fleet.places import Places
from sutazai.fleet.serving import Backend
from sutazai.fleet.spec import Agent
from tests.control.conftest import eventually, running_control, small_fleet, write_state
from tests.control.peers import FakeGateway, FakeHost
from tests.ports import free_port

QUICK = 0.05


async def test_both_peers_are_told_once_and_then_left_alone(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    async with running_control(places, every=QUICK):
        await eventually(lambda: host.pushed and gateway.pushed)
        await asyncio.sleep(0.3)
    assert len(host.pushed) == len(gateway.pushed) == 1
    assert [unit.name for unit in host.pushed[0].units] == [
        "llm",
        "planner",
        "executor",
        "reviewer",
    ]
    keys = {key.name: key.secret for key in gateway.pushed[0].keys}
    for unit in host.pushed[0].units[1:]:
        assert unit.environment["SUTAZAI_KEY"] == keys[unit.name]


async def test_a_peer_that_forgot_is_told_again(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    async with running_control(places, every=QUICK):
        await eventually(lambda: host.pushed and gateway.pushed)
        for peer in (host, gateway):
            await peer.stop()
            peer.revision = 0
            await peer.start()
        await eventually(lambda: len(host.pushed) == 2 and len(gateway.pushed) == 2)
    assert host.pushed[0] == host.pushed[1]
    assert gateway.pushed[0] == gateway.pushed[1]


async def test_a_new_control_tells_the_very_same(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    for count in (1, 2):
        async with running_control(places, every=QUICK):
            await eventually(lambda: len(host.pushed) == len(gateway.pushed) == count)  # noqa: B023
    assert host.pushed[0].model_dump_json() == host.pushed[1].model_dump_json()
    assert gateway.pushed[0] == gateway.pushed[1]


async def test_a_changed_fleet_is_a_new_revision_and_changes_only_what_it_must(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    async with running_control(places, every=QUICK):
        await eventually(lambda: host.pushed)
    fleet = small_fleet()
    agents = {**fleet.agents, "reviewer": Agent(prompt="Review well.")}
    other = fleet.model_copy(update={"agents": agents})
    write_state(places, other, free_port(), started=time.time())
    async with running_control(places, every=QUICK) as (parts, _):
        await eventually(lambda: len(host.pushed) == 2)
        revision = await parts.revisions.newest()
    assert revision is not None and revision.number == 2
    before, after = host.pushed
    assert after.revision == before.revision + 1
    changed = [new.name for old, new in zip(before.units, after.units, strict=True) if old != new]
    assert changed == ["reviewer"]


async def test_a_peer_that_knows_of_a_later_revision_is_overtaken(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    host.revision = 41  # our database was lost, its copy was not
    async with running_control(places, every=QUICK):
        await eventually(lambda: host.pushed)
    assert host.pushed[0].revision == 42


async def test_peers_that_come_late_are_told_when_they_come(places: Places) -> None:
    async with running_control(places, every=QUICK):
        host, gateway = FakeHost(places.host_socket), FakeGateway(places.gateway_socket)
        await host.start()
        await gateway.start()
        await eventually(lambda: host.pushed and gateway.pushed)
        await host.stop()
        await gateway.stop()


async def test_a_lost_peer_and_its_return_are_events(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    async with running_control(places, every=QUICK) as (parts, _):
        await eventually(lambda: host.pushed and gateway.pushed)
        looks = gateway.looks
        await eventually(lambda: gateway.looks > looks)  # so control knows that it was told
        await gateway.stop()
        await told(parts, "revision", "lost")
        await gateway.start()
        await eventually(lambda: len(gateway.pushed) == 2)
        await told(parts, "revision", "lost", "back")


async def told(parts: Parts, *kinds: str) -> None:
    """Waits for these events, and no others."""
    async with asyncio.timeout(60):
        while [event.kind for event in await parts.feed.newest(100)] != [*kinds]:
            await asyncio.sleep(0.02)


async def test_events_are_taken_over_once_however_often_either_side_restarts(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    async def told(count: int) -> list[str]:
        async with running_control(places, every=QUICK) as (parts, _):
            async with asyncio.timeout(60):
                while True:
                    events = await parts.feed.newest(100)
                    messages = [event.message for event in events if event.source == "host"]
                    if len(messages) >= count:
                        return messages
                    await asyncio.sleep(0.02)

    host.tell("one")
    host.tell("two")
    assert await told(2) == ["one", "two"]
    await host.stop()
    host.tell("three")
    await host.start()
    assert await told(3) == ["one", "two", "three"]


async def test_a_secret_that_cannot_be_had_is_a_problem_that_is_told(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    backends = {"far": Backend(url="https://far/v1", api_key="${SURELY_NOT_SET}")}
    write_state(places, small_fleet(backends=backends), free_port())
    async with running_control(places, every=QUICK) as (parts, _):
        await eventually(lambda: gateway.pushed)
        status = await parts.status.read()
    assert gateway.pushed[0].backends[0].api_key is None
    assert "SURELY_NOT_SET" in status.problems[0]
    assert status.llm.source == "declared"
    assert "llm" not in [unit.name for unit in host.pushed[0].units]
