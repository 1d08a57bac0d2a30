"""What operators see and do: dead letters, the record of calls, metrics."""

from __future__ import annotations

import asyncio
import re

import pytest

from sutazai.fleet.errors import BadInput, NotFound
from sutazai.fleet.serving import Queue, Record
from tests.gateway.asking import OLLAMA, OPENAI, PATH, TEXT, ask, chat, queued, recorded, said
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import KEY, House, Reply, route

SECRET = "sk-" + "a1b2c3d4" * 4


async def refused(house: House, fake: FakeBackend, *bodies: dict[str, object]) -> list[Reply]:
    """The answers to calls that find the queue full."""
    before, hold = fake.script, asyncio.Event()
    fake.script = Script(hold=hold)
    calls = [ask(house, chat(f"fill {each}")) for each in range(2)]
    await queued(house, 1)
    replies = [await house.post(PATH[OPENAI], body, key=KEY) for body in bodies]
    fake.script = before
    hold.set()
    await asyncio.gather(*calls)
    return replies


# dead letters


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_call_can_be_looked_at_and_made_again(house: House, stream: bool) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake, slots=1), queue=Queue(limit=1))
        (reply,) = await refused(house, fake, chat("again", stream=stream))
        assert reply.status == 429
        (letter,) = await recorded(house, "/dead", 1)
        assert (letter["caller"], letter["model"]) == ("planner", "fake-7b")
        assert letter["path"] == PATH[OPENAI] and letter["priority"] == "high"
        assert letter["reason"]["code"] == "QueueFull" and "body" not in letter
        whole = await house.api("GET", f"/dead/{letter['id']}")
        assert '"again"' in whole["body"] and not whole["altered"]
        again = await replay(house, letter["id"])
        assert again.status == 200 and said(again) == TEXT
        assert fake.calls[-1]["messages"][0]["content"] == "again"
        assert await house.api("DELETE", f"/dead/{letter['id']}") == {"removed": 1}
        with pytest.raises(NotFound):
            await house.api("GET", f"/dead/{letter['id']}")
        with pytest.raises(NotFound):
            await house.api("POST", f"/dead/{letter['id']}/replay")


async def replay(house: House, letter: str) -> Reply:
    address = house.agents_address.parse(f"unix:{house.places.gateway_socket}")
    return await house.post(f"/dead/{letter}/replay", {}, address=address)


async def test_letters_hold_no_secrets_and_are_cleared(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake, slots=1), queue=Queue(limit=1))
        replies = await refused(house, fake, chat(f"use {SECRET}"), chat("b", api_key="geheim"))
        assert {reply.status for reply in replies} == {429}
        letters = await recorded(house, "/dead", 2)
        for letter in letters:
            body = (await house.api("GET", f"/dead/{letter['id']}"))["body"]
            assert SECRET not in body and "geheim" not in body
        assert all(letter["altered"] for letter in letters)
        assert await house.api("DELETE", "/dead") == {"removed": 2}
        assert await house.api("GET", "/dead") == []


async def test_a_replay_that_is_refused_says_so(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake, slots=1), queue=Queue(limit=1))
        await refused(house, fake, chat("again"))
        (letter,) = await recorded(house, "/dead", 1)
        fake.script = Script(status=400)
        assert (await replay(house, letter["id"])).status == 400
        assert (await house.stats())["running"] == 0


async def test_an_expired_call_leaves_a_letter_and_a_failed_one_does_not(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold, status=500)) as fake:
        await house.start(route(fake, slots=1), queue=Queue.model_validate({"wait": "100ms"}))
        first = ask(house, chat())
        await until(lambda: fake.running)
        assert (await ask(house, chat("late"))).status == 503
        hold.set()
        assert (await first).status == 500
        await recorded(house, "/calls", 2)
        (letter,) = await recorded(house, "/dead", 1)
        assert letter["reason"]["code"] == "WaitedTooLong"


# the record of calls


async def test_the_record_is_searched(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake), record=Record(contents=True))
        await ask(house, chat("about whales"), key=KEY)
        await ask(house, chat("about bees", stream=True), key="worker-key")
        await ask(house, {**chat(), "model": "nope"})
        fake.script = Script(status=500)
        await ask(house, chat("trouble"))
        rows = await recorded(house, "/calls", 4)
        assert len({row["id"] for row in rows}) == 4
        await expect(house, "agent=planner", 1)
        await expect(house, "outcome=done", 2)
        await expect(house, "outcome=failed", 1)
        await expect(house, "model=fake-70b", 0)
        await expect(house, "backend=one", 3)
        await expect(house, "text=whales", 1)
        await expect(house, "slow=100", 0)
        await expect(house, "limit=2", 2)
        (row,) = await house.api("GET", "/calls?text=bees&contents=1")
        assert (row["caller"], row["priority"], row["stream"]) == ("worker", "low", True)
        assert (row["completion_tokens"], row["status"], row["dialect"]) == (4, 200, "openai")
        assert "about bees" in row["prompt"] and "Hello" in row["answer"]
        for query in ("limit=0", "limit=x", "since=soon"):
            with pytest.raises(BadInput):
                await house.api("GET", f"/calls?{query}")


async def expect(house: House, query: str, number: int) -> None:
    assert len(await house.api("GET", f"/calls?{query}")) == number, query


async def test_nothing_of_what_is_said_is_kept_unless_that_is_wished(house: House) -> None:
    async with FakeBackend(OLLAMA) as fake:
        await house.start(route(fake))
        await ask(house, chat("a private matter"))
        await recorded(house, "/calls", 1)
        (row,) = await house.api("GET", "/calls?contents=1")
        assert row["prompt"] is None and row["answer"] is None
        kept = b"".join(path.read_bytes() for path in house.places.state.glob("gateway-calls*"))
        assert b"private matter" not in kept


# metrics


LINE = re.compile(r'[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? (-?[0-9.e+-]+|\+Inf|NaN)')


async def test_metrics_are_what_prometheus_reads(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        for stream in (False, True):
            await ask(house, chat(stream=stream, temperature=0), key=KEY)
        await ask(house, {**chat(), "model": "nope"})
        address = house.agents_address.parse(f"unix:{house.places.gateway_socket}")
        reply = await house.get("/metrics", address=address)
        assert reply.status == 200
        lines = reply.data.decode().splitlines()
        for line in lines:
            assert line.startswith(("# HELP ", "# TYPE ")) or LINE.fullmatch(line), line
        assert any('agent="planner"' in line and line.endswith(" 1") for line in lines)
        names = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
        assert len(names) == len(set(names))
