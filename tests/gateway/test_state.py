"""What is kept on disk, and routes that change while calls run."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from sutazai.fleet.errors import BadInput, Conflict
from sutazai.fleet.facts import Endpoint
from sutazai.fleet.files import replace_file
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Key, Routes
from sutazai.fleet.serving import Queue
from sutazai.gateway.app import Listening
from sutazai.gateway.state import WRITE_DELAY, Keeping, load_endpoints, load_routes, read_shape
from sutazai.wire import Client
from tests.gateway.conftest import until
from tests.gateway.fake_agents import FakeInstance
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import KEY, House, door, route

CHAT = {"model": "fast", "messages": [{"role": "user", "content": "hi"}], "stream": False}


def test_files_are_private_and_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "routes.json"
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["routes.json"]


def test_a_write_that_fails_leaves_the_old_copy(tmp_path: Path) -> None:
    folder = tmp_path / "routes.json"
    folder.mkdir()
    with pytest.raises(OSError):
        replace_file(folder, b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["routes.json"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"revision": "x"}', b"\xff"])
def test_a_file_that_cannot_be_used_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kept.json"
    assert load_routes(path).revision == 0
    path.write_bytes(content)
    assert load_routes(path).revision == 0
    assert load_endpoints(path) is None


def test_a_complaint_about_routes_tells_no_secret() -> None:
    data = b'{"revision": 1, "keys": [{"name": "a", "secret": "hush", "priority": "top"}]}'
    with pytest.raises(BadInput, match=r"keys\.0\.priority") as caught:
        read_shape(Routes, data)
    assert "hush" not in str(caught.value) and caught.value.__cause__ is None


async def test_many_changes_are_few_writes_and_the_last_is_kept(tmp_path: Path) -> None:
    path, value, rendered = tmp_path / "kept.json", 0, 0

    def render() -> bytes:
        nonlocal rendered
        rendered += 1
        return str(value).encode()

    clock = asyncio.get_running_loop().time
    keeping, began = Keeping(path, render), clock()
    for value in range(1000):  # noqa: B007 (what render reads)
        keeping.touch()
        await asyncio.sleep(0)
    await keeping.close()
    assert path.read_bytes() == b"999"
    assert rendered <= 1 + (clock() - began) / WRITE_DELAY


async def test_routes_are_kept_and_serve_again_at_once(house: House, places: Places) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake), doors=[door("planner", port=0)])
        assert stat.S_IMODE(places.routes.stat().st_mode) == 0o600
        await house.close()
        again = House(places, house.client)
        try:
            await again.start_as_kept()
            await again.wait_for(lambda stats: stats["backends"][0]["available"])
            assert (await again.post("/api/chat", CHAT, key=KEY)).status == 200
            assert (await again.stats())["revision"] == 1
            assert (await again.get("/health", address=again.door("planner"))).status == 200
        finally:
            await again.close()


async def test_endpoints_are_kept_and_serve_again_at_once(house: House, places: Places) -> None:
    async with FakeInstance(places.runtime) as instance:
        await house.start(doors=[door("planner")])
        await house.facts(instance.endpoint, full=True)
        await house.close()
        again = House(places, house.client)
        try:
            await again.start_as_kept()
            reply = await again.post("/agents/planner/invoke", {"input": 1}, key=KEY)
            assert reply.json["instance"] == "planner-1"
        finally:
            await again.close()


async def test_a_gap_in_the_facts_is_a_conflict(house: House) -> None:
    await house.start()
    endpoint = Endpoint(agent="a", instance="a-1", address="unix:/x")
    await house.facts(endpoint, full=True)
    house.sequence += 1
    with pytest.raises(Conflict):
        await house.facts()


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"revision": -1, "backends": [{}]}'])
async def test_bad_routes_are_refused_and_change_nothing(house: House, body: bytes) -> None:
    await house.start()
    with pytest.raises(BadInput):
        await house.api("PUT", "/routes", body.decode())
    assert (await house.stats())["revision"] == 1


async def test_routes_change_under_load_and_no_call_is_lost(house: House) -> None:
    async with (
        FakeBackend(script=Script(delay=0.002)) as one,
        FakeBackend(script=Script(delay=0.002)) as two,
    ):
        await house.start(route(one, "one", slots=4))
        calls = [
            asyncio.create_task(house.post("/v1/chat/completions", {**CHAT, "stream": True}))
            for _ in range(120)
        ]
        for turn in range(10):
            backends = [route(one, "one", slots=4), route(two, "two", slots=2)][: 1 + turn % 2]
            await house.route(*backends, queue=Queue(limit=5000 + turn))
            await asyncio.sleep(0.01)
        replies = await asyncio.gather(*calls)
        assert {reply.status for reply in replies} == {200}
        assert all(reply.events[-1] == "[DONE]" for reply in replies)
        stats = await house.stats()
        assert (stats["done"], stats["revision"]) == (120, 11)


async def test_a_call_under_way_ends_on_a_backend_that_is_no_longer_declared(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as old, FakeBackend() as new:
        await house.start(route(old, "old"))
        call = asyncio.create_task(house.post("/api/chat", CHAT))
        await until(lambda: old.running)
        await house.route(route(new, "new"))
        await house.wait_for(lambda stats: stats["backends"][0]["available"])
        assert (await house.post("/api/chat", CHAT)).headers["x-sutazai-backend"] == "new"
        hold.set()
        assert (await call).headers["x-sutazai-backend"] == "old"


async def test_a_port_that_is_taken_is_told_and_shuts_no_other_door(
    places: Places, client: Client
) -> None:
    house = House(places, client)
    try:
        await house.start()
        taken = house.sockets.ports["gateway"]
        reply = await house.route(doors=[door("a", port=taken), door("b", port=0)])
        assert len(reply["problems"]) == 1 and str(taken) in reply["problems"][0]
        assert (await house.get("/health", address=house.door("b"))).status == 200
        assert (await house.stats())["problems"] == reply["problems"]
    finally:
        await house.close()


def test_the_port_to_listen_on_comes_from_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"ports": {"host": "127.0.0.1", "gateway": 10104}}')
    assert Listening.read(config) == Listening("127.0.0.1", 10104)
    config.write_text('{"ports": {}}')
    with pytest.raises(BadInput):
        Listening.read(config)


def test_keys_are_not_shown_by_their_secrets_in_a_complaint() -> None:
    with pytest.raises(BadInput) as caught:
        read_shape(Key, b'{"secret": "hush"}')
    assert "hush" not in str(caught.value)
