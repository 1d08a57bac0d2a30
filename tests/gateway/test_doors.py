"""Front doors: calls to agents, whichever instance answers, awake or not."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.errors import DeadlineExceeded, Failed, PeerClosed
from sutazai.fleet.places import Places
from sutazai.gateway.doors.waking import HELD_MAX, Waker
from sutazai.wire import Address, Client
from tests.gateway.conftest import until
from tests.gateway.fake_agents import FakeHost, FakeInstance
from tests.gateway.house import KEY, House, Reply, door

WORK = {"input": "a backlog"}


@pytest.fixture
def folder(places: Places) -> Path:
    return places.runtime


@pytest.fixture
async def host(places: Places) -> AsyncIterator[FakeHost]:
    async with FakeHost(places.host_socket) as made:
        yield made


def doors(*agents: str, **more: Any) -> list[dict[str, Any]]:
    return [door(agent, port=0, **more).model_dump() for agent in agents]


def invoke(house: House, **more: Any) -> asyncio.Task[Reply]:
    arguments: dict[str, Any] = {"key": KEY, **more}
    return asyncio.create_task(house.post("/agents/planner/invoke", WORK, **arguments))


async def test_a_door_port_leads_to_the_instance(house: House, folder: Path) -> None:
    async with FakeInstance(folder) as instance:
        await house.start(doors=doors("planner"))
        await house.facts(instance.endpoint, full=True)
        reply = await house.post("/invoke", WORK, key=KEY, address=house.door("planner"))
        assert reply.json == {"output": "a backlog", "instance": "planner-1"}
        assert "authorization" not in instance.headers[0]
        other = await house.get("/some/%2Fpath?x=1&y", key=KEY, address=house.door("planner"))
        assert (other.status, other.json["target"]) == (202, "/some/%2Fpath?x=1&y")


async def test_the_path_form_leads_there_too_from_every_side(house: House, folder: Path) -> None:
    async with FakeInstance(folder) as instance:
        await house.start(doors=doors("planner"))
        await house.facts(instance.endpoint, full=True)
        inside = Address.parse(f"unix:{house.places.gateway_socket}")
        for address, key in ((house.address, KEY), (house.agents_address, KEY), (inside, None)):
            reply = await house.get("/agents/planner/some/%2Fpath?x=1", key=key, address=address)
            assert (reply.status, reply.json["target"]) == (202, "/some/%2Fpath?x=1")


async def test_doors_need_a_key_except_for_health(house: House, folder: Path) -> None:
    async with FakeInstance(folder) as instance:
        await house.start(doors=doors("planner"))
        await house.facts(instance.endpoint, full=True)
        at_door = house.door("planner")
        for key in (None, "wrong"):
            assert (await house.post("/invoke", WORK, key=key, address=at_door)).status == 401
            assert (await invoke(house, key=key)).status == 401
            reply = await invoke(house, key=key, address=house.agents_address)
            assert reply.status == 401
        health = await house.get("/health", address=at_door)
        assert health.json["status"] == "healthy"
        assert not instance.headers


async def test_health_of_a_sleeping_agent_wakes_nobody(house: House, host: FakeHost) -> None:
    await house.start(doors=doors("planner"))
    asleep = {"status": "asleep", "agent": "planner"}
    assert (await house.get("/health", address=house.door("planner"))).json == asleep
    assert (await house.get("/agents/planner/health", key=KEY)).json == asleep
    assert not host.asked


async def test_health_of_a_dead_instance_wakes_nobody_either(
    house: House, host: FakeHost, folder: Path
) -> None:
    await house.start(doors=[*doors("planner"), *doors("afar", address="unix:/nowhere.sock")])
    await house.facts(FakeInstance(folder).endpoint, full=True)
    health = await house.get("/health", address=house.door("planner"))
    assert health.json["status"] == "asleep"
    assert (await house.get("/health", address=house.door("afar"))).status == 503
    assert not host.asked


async def test_a_sleeping_agent_is_woken_once_for_all_who_wait(
    house: House, host: FakeHost, folder: Path
) -> None:
    host.hold = asyncio.Event()
    async with FakeInstance(folder) as instance:
        host.wakes["planner"] = (instance.endpoint,)
        await house.start(doors=doors("planner"))
        calls = [invoke(house) for _ in range(10)]
        await until(lambda: host.asked)
        calls[0].cancel()
        host.hold.set()
        replies = await asyncio.gather(*calls[1:])
        assert {reply.status for reply in replies} == {200}
        assert host.asked == ["planner"]
        assert (await invoke(house)).status == 200
        assert host.asked == ["planner"]


async def test_an_agent_that_does_not_wake_says_why(house: House, host: FakeHost) -> None:
    host.wakes["planner"] = Failed("planner ended at once", hint="see its log")
    await house.start(doors=doors("planner"))
    reply = await invoke(house)
    assert (reply.status, reply.json["error"]["message"]) == (500, "planner ended at once")
    host.wakes["planner"] = ()
    assert (await invoke(house)).status == 503


async def test_without_a_host_a_sleeping_agent_is_unavailable(house: House) -> None:
    await house.start(doors=doors("planner"))
    reply = await invoke(house)
    assert reply.status == 503 and reply.headers["retry-after"]
    assert "host" in reply.json["error"]["message"]


async def test_waking_has_a_deadline(client: Client, host: FakeHost) -> None:
    host.hold = asyncio.Event()
    waker = Waker(client, host.socket, deadline=0.05)
    with pytest.raises(DeadlineExceeded, match="was not ready"):
        await waker.wake("planner")
    await waker.close()


async def test_callers_who_wait_for_an_agent_are_bounded(house: House, host: FakeHost) -> None:
    host.hold = asyncio.Event()
    await house.start(doors=doors("planner"))
    calls = [invoke(house) for _ in range(HELD_MAX)]
    await until(lambda: host.asked)
    refused = await asyncio.wait_for(invoke_until_refused(house), 60)
    assert refused.headers["retry-after"]
    host.hold.set()
    assert {(await call).status for call in calls} <= {503, 429}


async def invoke_until_refused(house: House) -> Reply:
    """The callers before may still be on their way: the first refusal there is."""
    while True:
        extra = invoke(house)
        done, _ = await asyncio.wait([extra], timeout=0.2)
        if done and extra.result().status == 429:
            return extra.result()
        extra.cancel()


async def test_an_unknown_agent_is_not_found(house: House, host: FakeHost) -> None:
    await house.start(doors=doors("planner"))
    reply = await house.post("/agents/nobody/invoke", WORK, key=KEY)
    assert (reply.status, reply.json["error"]["code"]) == (404, "NotFound")
    assert not host.asked


async def test_the_least_busy_instance_is_taken(house: House, folder: Path) -> None:
    hold = asyncio.Event()
    async with (
        FakeInstance(folder, number=1, hold=hold) as one,
        FakeInstance(folder, number=2, hold=hold) as two,
    ):
        await house.start(doors=doors("planner"))
        await house.facts(one.endpoint, two.endpoint, full=True)
        calls = [invoke(house) for _ in range(6)]
        await until(lambda: one.running + two.running == 6)
        assert (one.running, two.running) == (3, 3)
        hold.set()
        await asyncio.gather(*calls)


async def test_instances_of_like_speed_take_turns(house: House, folder: Path) -> None:
    async with FakeInstance(folder, number=1) as one, FakeInstance(folder, number=2) as two:
        await house.start(doors=doors("planner"))
        await house.facts(one.endpoint, two.endpoint, full=True)
        taken = [(await invoke(house)).json["instance"] for _ in range(10)]
        assert set(taken) == {"planner-1", "planner-2"}


async def test_an_instance_that_drains_ends_what_it_has_and_gets_nothing_new(
    house: House, folder: Path, host: FakeHost
) -> None:
    hold = asyncio.Event()
    async with (
        FakeInstance(folder, number=1, hold=hold) as old,
        FakeInstance(folder, number=2) as new,
    ):
        await house.start(doors=doors("planner"))
        await house.facts(old.endpoint, full=True)
        call = invoke(house)
        await until(lambda: old.running)
        draining = old.endpoint.model_copy(update={"draining": True})
        await house.facts(draining, new.endpoint)
        taken = [(await invoke(house)).json["instance"] for _ in range(4)]
        assert taken == ["planner-2"] * 4
        hold.set()
        assert (await call).json["instance"] == "planner-1"
        await house.facts(gone=("planner-2",))
        assert (await invoke(house)).status == 503
        assert host.asked == ["planner"]


async def test_units_get_the_shares_that_control_gives_them(house: House, folder: Path) -> None:
    async with FakeInstance(folder, number=1) as old, FakeInstance(folder, number=2) as new:
        await house.start(doors=doors("planner", weights={"planner": 3, "planner@2": 1}))
        beside = new.endpoint.model_copy(update={"unit": "planner@2"})
        await house.facts(old.endpoint, beside, full=True)
        taken = [(await invoke(house)).json["instance"] for _ in range(8)]
        assert taken.count("planner-1") == 6
        await house.route(doors=doors("planner", weights={"planner": 0, "planner@2": 1}))
        taken = [(await invoke(house)).json["instance"] for _ in range(4)]
        assert taken == ["planner-2"] * 4


async def test_instances_take_turns_on_demand_however_busy_they_are(
    house: House, folder: Path
) -> None:
    hold = asyncio.Event()
    async with (
        FakeInstance(folder, number=1, hold=hold) as one,
        FakeInstance(folder, number=2) as two,
    ):
        await house.start(doors=doors("planner", balance="round-robin"))
        await house.facts(one.endpoint, two.endpoint, full=True)
        calls = [invoke(house) for _ in range(6)]
        await until(lambda: one.running == 3)
        hold.set()
        replies = [(await call).json["instance"] for call in calls]
        assert replies.count("planner-1") == replies.count("planner-2") == 3


async def test_a_dead_instance_is_replaced_by_another(
    house: House, folder: Path, host: FakeHost
) -> None:
    async with FakeInstance(folder, number=2) as two:
        dead = FakeInstance(folder, number=1).endpoint
        await house.start(doors=doors("planner"))
        await house.facts(dead, two.endpoint, full=True)
        for _ in range(3):
            assert (await invoke(house)).json["instance"] == "planner-2"
        assert not host.asked


async def test_a_dead_instance_is_replaced_by_a_woken_one(
    house: House, folder: Path, host: FakeHost
) -> None:
    async with FakeInstance(folder, number=2) as two:
        host.wakes["planner"] = (two.endpoint,)
        await house.start(doors=doors("planner"))
        await house.facts(FakeInstance(folder, number=1).endpoint, full=True)
        assert (await invoke(house)).json["instance"] == "planner-2"
        assert host.asked == ["planner"]


async def test_a_second_dead_instance_is_an_error(
    house: House, folder: Path, host: FakeHost
) -> None:
    host.wakes["planner"] = (FakeInstance(folder, number=2).endpoint,)
    await house.start(doors=doors("planner"))
    await house.facts(FakeInstance(folder, number=1).endpoint, full=True)
    reply = await invoke(house)
    assert (reply.status, reply.json["error"]["code"]) == (503, "Unavailable")


async def test_an_instance_that_dies_over_its_work_is_lost_and_not_asked_again(
    house: House, folder: Path, host: FakeHost
) -> None:
    hold = asyncio.Event()
    async with FakeInstance(folder, hold=hold) as instance:
        await house.start(doors=doors("planner"))
        await house.facts(instance.endpoint, full=True)
        call = invoke(house)
        await until(lambda: instance.running)
        await instance.stop()
        reply = await call
        assert (reply.status, reply.json["error"]["code"]) == (502, "InstanceLost")
        assert reply.json["error"]["data"] == {"agent": "planner", "instance": "planner-1"}
        assert not host.asked


async def test_an_answer_cut_in_the_midst_is_an_error(house: House, folder: Path) -> None:
    async with FakeInstance(folder) as instance:
        await house.start(doors=doors("planner"))
        await house.facts(instance.endpoint, full=True)
        reply = await house.post("/agents/planner/cut", {"length": True}, key=KEY)
        assert (reply.status, reply.json["error"]["code"]) == (502, "InstanceLost")
        with pytest.raises(PeerClosed):
            await house.post("/agents/planner/cut", {}, key=KEY)


async def test_events_pass_as_they_come(house: House, folder: Path) -> None:
    async with FakeInstance(folder, hold=asyncio.Event()) as instance:
        await house.start(doors=doors("planner"))
        await house.facts(instance.endpoint, full=True)
        response = await house.client.request(
            "POST",
            house.address,
            "/agents/planner/events",
            headers=[("authorization", f"Bearer {KEY}")],
            body=json.dumps({"before": 1}).encode(),
        )
        async with asyncio.timeout(2), response:
            assert await anext(response.stream()) == b'event: progress\ndata: {"n": 0}\n\n'


async def test_events_that_are_cut_end_with_an_error_event(house: House, folder: Path) -> None:
    async with FakeInstance(folder) as instance:
        await house.start(doors=doors("planner"))
        await house.facts(instance.endpoint, full=True)
        reply = await house.post("/agents/planner/events", {"before": 2, "cut": True}, key=KEY)
        *before, last, end = reply.data.decode().split("\n\n")
        assert len(before) == 2 and end == ""
        name, data = last.split("\n")
        assert name == "event: error"
        assert json.loads(data.removeprefix("data: "))["code"] == "InstanceLost"


@pytest.mark.parametrize("declared", [False, True])
async def test_large_bodies_stream_through(house: House, folder: Path, declared: bool) -> None:
    size = 3 * 1024 * 1024

    async def body() -> AsyncIterator[bytes]:
        for _ in range(size // 65536):
            yield bytes(65536)

    async with FakeInstance(folder, number=2) as instance:
        dead = FakeInstance(folder, number=1).endpoint
        await house.start(doors=doors("planner"))
        await house.facts(dead, instance.endpoint, full=True)
        length = [("content-length", str(size))] if declared else []
        response = await house.client.request(
            "POST",
            house.address,
            "/agents/planner/upload",
            headers=[("authorization", f"Bearer {KEY}"), *length],
            body=body(),
        )
        async with response:
            assert (await response.json()) == {"size": size, "instance": "planner-2"}


async def test_a_caller_who_leaves_stops_the_work(house: House, folder: Path) -> None:
    async with FakeInstance(folder, hold=asyncio.Event()) as instance:
        await house.start(doors=doors("planner"))
        await house.facts(instance.endpoint, full=True)
        call = invoke(house)
        await until(lambda: instance.running)
        call.cancel()
        await until(lambda: instance.left == 1)


async def test_an_agent_elsewhere_has_a_fixed_address(
    house: House, folder: Path, host: FakeHost
) -> None:
    async with FakeInstance(folder, agent="elsewhere") as instance:
        await house.start(doors=doors("elsewhere", address=instance.endpoint.address))
        reply = await house.post("/agents/elsewhere/invoke", WORK, key=KEY)
        assert reply.json["output"] == "a backlog"
    reply = await house.post("/agents/elsewhere/invoke", WORK, key=KEY)
    assert reply.status == 503 and not host.asked


async def test_facts_tell_who_comes_and_goes(house: House, folder: Path, host: FakeHost) -> None:
    async with FakeInstance(folder, number=1) as one, FakeInstance(folder, number=2) as two:
        await house.start(doors=doors("planner"))
        await house.facts(one.endpoint, full=True)
        assert (await invoke(house)).json["instance"] == "planner-1"
        await house.facts(two.endpoint, gone=("planner-1",))
        assert (await invoke(house)).json["instance"] == "planner-2"
        await house.facts(gone=("planner-2",))
        assert (await invoke(house)).status == 503
        assert host.asked == ["planner"]


async def test_doors_that_are_declared_later_open_later(house: House, folder: Path) -> None:
    async with FakeInstance(folder, agent="worker") as worker:
        await house.start(doors=doors("planner"))
        await house.facts(worker.endpoint, full=True)
        reply = await house.route(doors=doors("planner", "worker"))
        assert reply["problems"] == []
        answer = await house.post("/invoke", WORK, key=KEY, address=house.door("worker"))
        assert answer.json["instance"] == "worker-1"
        await house.route(doors=doors("planner"))
        gone = await house.post("/invoke", WORK, key=KEY, address=house.door("worker"))
        assert gone.status == 404


async def test_ports_may_change_hands(house: House, folder: Path) -> None:
    """A door gets the port that another one had, which gets a new one, and back again."""
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            sock.bind(("127.0.0.1", 0))
        first, second = (int(sock.getsockname()[1]) for sock in (one, two))
    await house.start()
    async with FakeInstance(folder) as planner, FakeInstance(folder, "other") as other:
        await house.facts(planner.endpoint, other.endpoint, full=True)
        for ports in ((first, second), (second, first), (first, second)):
            told = list(zip(("planner", "other"), ports, strict=True))
            await house.route(doors=[door(agent, port=port).model_dump() for agent, port in told])
            for agent, port in told:
                address = Address.parse(f"http://127.0.0.1:{port}")
                reply = await house.post("/invoke", WORK, key=KEY, address=address)
                assert reply.json["instance"].startswith(agent)
