"""Clients that leave at any moment, the worst of them with the last byte: no slot is lost."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace

import pytest

from tests.gateway.asking import OPENAI, PATH, chat
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import House, route
from tests.wire.peers import Raw

SLOTS = 4
PATIENCE = 0.02
"""Seconds; so that nearly all who wait hear comments first."""

END = b"data: [DONE]\n\n"
MOMENTS = (b"", b"HTTP/1.1", b": ", b'"content"', END, b"0\r\n\r\n")
"""What a client has read last when it goes; nothing: it only asks."""

WHOLE = b'"usage"'
"""The end of an answer that is no stream."""


def request(number: int, *, stream: bool) -> bytes:
    body = json.dumps(chat(f"{number}", stream=stream)).encode()
    head = f"POST {PATH[OPENAI]} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def come_and_go(house: House, number: int, chance: random.Random) -> None:
    """One client, which goes with a reset as killed programs do, or orderly."""
    moment = chance.choice((*MOMENTS, WHOLE))
    reader, writer = await asyncio.open_connection("127.0.0.1", house.sockets.ports["gateway"])
    raw = Raw(reader, writer)
    await raw.send(request(number, stream=moment != WHOLE))
    if moment:
        await raw.until(moment)
    else:
        await asyncio.sleep(chance.random() * 0.1)
    await (raw.reset() if chance.random() < 0.7 else raw.close())


async def all_come_and_go(house: House, number: int, seed: int) -> None:
    chance = random.Random(seed)
    async with FakeBackend(script=Script(delay=0.002)) as fake:
        await house.start(route(fake, slots=SLOTS))
        assert house.gateway is not None
        house.gateway._llm._plant.patience = PATIENCE
        for start in range(0, number, 50):
            clients = range(start, min(start + 50, number))
            await asyncio.gather(*(come_and_go(house, each, chance) for each in clients))
        await house.wait_for(
            lambda stats: not stats["running"] and not sum(stats["queued"].values())
        )
        await until(lambda: fake.running == 0)
        # All slots are there still: as many as there are run at once.
        fake.script = replace(fake.script, delay=0.02)
        fake.most_running = 0
        replies = await asyncio.gather(
            *(house.post(PATH[OPENAI], chat(f"after {each}")) for each in range(3 * SLOTS))
        )
        assert {reply.status for reply in replies} == {200}
        assert fake.most_running == SLOTS


async def test_no_slot_is_lost_to_clients_that_leave(house: House) -> None:
    await all_come_and_go(house, 300, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 8))
async def test_nor_to_many_more(house: House, seed: int) -> None:
    await all_come_and_go(house, 3000, seed)
