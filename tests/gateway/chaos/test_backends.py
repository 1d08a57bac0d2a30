"""Backends that are killed, hang, fail now and then, and come back, all under load."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.serving import Queue, Timeouts
from tests.gateway.asking import OLLAMA, OPENAI, PATH, TEXT, chat, recorded
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import House, Reply, route

BOUNDS = Timeouts.model_validate({"first_token": "1s", "between_tokens": "1s", "total": "10s"})
WELL = Script(delay=0.002)
TROUBLES = (
    Script(hang_after=0),
    Script(hang_after=2),
    Script(fail_every=2),
    Script(status=503),
    Script(drop_after=2),
    Script(drop_after=-1),
    Script(error_after=1),
    Script(end_after=2),
    Script(nonsense_after=2),
)


class Mischief:
    """Does one thing after another to the backends, and leaves them well."""

    def __init__(self, backends: list[FakeBackend], chance: random.Random) -> None:
        self._backends = backends
        self._chance = chance

    async def do(self, seconds: float) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        while clock() < until:
            fake = self._chance.choice(self._backends)
            if self._chance.random() < 0.3:
                await self._kill(fake)
            else:
                fake.script = self._chance.choice(TROUBLES)
                await asyncio.sleep(0.15)
            fake.script = WELL
        for fake in self._backends:
            fake.script = WELL

    async def _kill(self, fake: FakeBackend) -> None:
        await fake.stop()
        await asyncio.sleep(0.1)
        await fake.start(fake.port)


def outcome(reply: Reply | SutazaiError, number: int) -> str:
    """What a client got: its answer, whole and once, or an error that it can see."""
    if isinstance(reply, SutazaiError):
        return "cut"
    if reply.status != 200:
        assert "error" in reply.json, number
        return "refused"
    text = reply.data.decode()
    words, streamed = _words(reply), b'"stream"' not in reply.data
    if "error" in text and not words.endswith("🌍"):
        assert TEXT.startswith(words), number
        return "broken"
    assert words == TEXT and streamed, (number, words)
    return "answered"


def _words(reply: Reply) -> str:
    kind = reply.headers["content-type"]
    if kind.startswith("text/event-stream"):
        found = [each["choices"] for each in reply.events if each != "[DONE]" and "choices" in each]
        return "".join(choices[0]["delta"].get("content") or "" for choices in found if choices)
    objects = reply.lines if "ndjson" in kind else [reply.json]
    return "".join(
        (each.get("message") or each["choices"][0]["message"])["content"]
        for each in objects
        if "error" not in each
    )


async def suffer(house: House, seconds: float, seed: int) -> Counter[str]:
    """Load and mischief for so long; what became of the calls."""
    chance = random.Random(seed)
    backends = [FakeBackend(dialect, script=WELL) for dialect in (OPENAI, OLLAMA, OPENAI)]
    for fake in backends:
        await fake.start()
    try:
        routes = [
            route(fake, f"b{at}", slots=4, timeouts=BOUNDS) for at, fake in enumerate(backends)
        ]
        await house.start(*routes)
        mischief = asyncio.create_task(Mischief(backends, chance).do(seconds))
        calls: list[asyncio.Task[Any]] = []
        while not mischief.done():
            number = len(calls)
            calls.append(asyncio.create_task(one_call(house, number)))
            await asyncio.sleep(0.01)
        await mischief
        async with asyncio.timeout(100):
            replies = await asyncio.gather(*calls)
        await whole_ledger(house, len(calls))
        last = [await one_call(house, number) for number in (0, 1, 2, 3)]
        assert [outcome(reply, 0) for reply in last] == ["answered"] * 4
        return Counter(outcome(reply, number) for number, reply in enumerate(replies))
    finally:
        for fake in backends:
            await fake.stop()


async def one_call(house: House, number: int) -> Reply | SutazaiError:
    speaks = (OPENAI, OLLAMA)[number % 2]
    body = chat(f"call {number}", stream=number % 4 < 2)
    if number % 5 == 0:
        body = {**body, "messages": [{"role": "user", "content": "same"}], "seed": number // 50}
    try:
        return await house.post(PATH[speaks], body)
    except SutazaiError as error:
        return error


async def whole_ledger(house: House, number: int) -> None:
    """Every call is accounted for once, and nothing is held any more."""
    stats = await house.wait_for(lambda stats: not stats["running"])
    ends = ("done", "failed", "rejected", "expired", "cancelled")
    assert sum(stats[end] for end in ends) == number
    assert not sum(stats["queued"].values())
    rows = await recorded(house, "/calls?limit=10000", number)
    assert len(rows) == len({row["id"] for row in rows}) == number


async def test_every_call_ends_in_an_answer_or_an_error(house: House) -> None:
    came = await suffer(house, 3.0, seed=7)
    assert came["answered"] > came.total() / 2
    assert not came["cut"]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
async def test_the_same_for_longer(house: House, seed: int) -> None:
    came = await suffer(house, 60.0, seed)
    assert came["answered"] > came.total() / 2
    assert not came["cut"]


async def test_all_backends_gone_is_told_to_all_who_wait(house: House) -> None:
    async with FakeBackend(script=Script(hang_after=0)) as fake:
        wait = Queue.model_validate({"wait": "1s"})
        await house.start(route(fake, slots=2, timeouts=BOUNDS), queue=wait)
        calls = [asyncio.create_task(one_call(house, 1 + 5 * at)) for at in range(40)]
        await house.wait_for(lambda stats: stats["running"] == 2)
        await fake.stop()
        async with asyncio.timeout(60):
            replies = await asyncio.gather(*calls)
        assert {outcome(reply, 0) for reply in replies} == {"refused"}
        assert all(isinstance(each, Reply) and each.status in (502, 503, 504) for each in replies)
        await whole_ledger(house, 40)
        await fake.start()
