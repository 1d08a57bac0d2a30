"""The fake LLM server does what it says, for other tests believe it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.errors import PeerClosed
from sutazai.wire import Address, Client
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.fake_engine import Entry, Pace

CHAT = "/v1/chat/completions"


def body(words: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "s" * 400}, {"role": "user", "content": words}]
    return {"model": "fake-7b", "messages": messages, **more}


async def ask(client: Client, fake: FakeBackend, words: str, **more: Any) -> Any:
    return await client.call("POST", Address.parse(fake.url), CHAT, body(words, **more))


async def test_calls_wait_in_their_order_for_a_slot(client: Client) -> None:
    async with FakeBackend(script=Script(pace=Pace(slots=2, decode=400))) as fake:
        await asyncio.gather(*(ask(client, fake, str(number)) for number in range(6)))
        begun = sorted(fake.ledger, key=lambda entry: (entry.began or 0.0, entry.number))
        assert [entry.number for entry in begun] == [entry.number for entry in fake.ledger]
        assert fake.engine.most_running == 2
        assert {entry.slot for entry in fake.ledger} == {1, 2}
        assert all(entry.how == "done" and entry.generated == 4 for entry in fake.ledger)


async def test_time_passes_as_the_rates_say(client: Client) -> None:
    pace = Pace(slots=1, first=0.01, prefill=2000, decode=100)
    async with FakeBackend(script=Script(pace=pace, counted=True, as_asked=True)) as fake:
        answer = await ask(client, fake, "hi", max_tokens=5)
        (entry,) = fake.ledger
        assert entry.began and entry.prefilled and entry.ended
        assert entry.prefilled - entry.began >= 0.01 + entry.prompt / 2000
        assert entry.ended - entry.prefilled >= 0.05
        assert answer["usage"]["completion_tokens"] == 5
        assert answer["usage"]["prompt_tokens"] == entry.prompt == entry.evaluated > 90


async def test_a_prompt_is_read_from_where_it_differs(client: Client) -> None:
    async with FakeBackend(script=Script(pace=Pace(slots=1, caches=True))) as fake:
        for words in ("one", "two", "two"):
            await ask(client, fake, words)
        first, second, third = fake.ledger
        assert (first.cached, second.cached) == (0, 100)
        assert third.cached == third.prompt - 1 and third.evaluated == 1


async def test_whoever_leaves_stops_what_is_computed_for_him(client: Client) -> None:
    pace = Pace(slots=1, decode=200)
    script = Script(pace=pace, as_asked=True)
    async with FakeBackend(script=script, half_closed=0.001) as fake:
        asking = asyncio.create_task(ask(client, fake, "gone", max_tokens=1000))
        waiting = asyncio.create_task(ask(client, fake, "waits", max_tokens=1))
        await until(lambda: fake.ledger and fake.ledger[0].generated > 2)
        asking.cancel()
        await waiting
        gone, served = fake.ledger
        assert (gone.how, gone.late, served.how) == ("left", 0, "done")
        assert gone.generated < 1000 and gone.left is not None
        assert gone.computed_after(gone.left) <= 1


async def test_a_deaf_one_goes_on_for_nobody(client: Client) -> None:
    script = Script(pace=Pace(decode=500, deaf=True), as_asked=True)
    async with FakeBackend(script=script, half_closed=0.001) as fake:
        asking = asyncio.create_task(ask(client, fake, "gone", max_tokens=30))
        await until(lambda: fake.ledger and fake.ledger[0].generated > 2)
        asking.cancel()
        await until(lambda: fake.ledger[0].how)
        (entry,) = fake.ledger
        assert (entry.how, entry.generated) == ("left", 30) and entry.late > 5


async def test_a_half_closed_connection_counts_as_left() -> None:
    async with FakeBackend(script=Script(hang_after=0), half_closed=0.001) as fake:
        reader, writer = await asyncio.open_connection("127.0.0.1", fake.port)
        sent = json.dumps(body("hi")).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(sent)}\r\n\r\n"
        writer.write(head.encode() + sent)
        await until(lambda: fake.running)
        writer.write_eof()
        await until(lambda: fake.left == 1 and fake.running == 0)
        assert await reader.read() == b""
        writer.close()


async def test_it_fails_as_told(client: Client) -> None:
    async with FakeBackend(script=Script(fail_every=2)) as fake:
        await ask(client, fake, "well")
        for trouble, kind in (
            (fake.script, Exception),
            (Script(status=503, retry_after=7), Exception),
            (Script(drop_after=-1), PeerClosed),
        ):
            fake.script = trouble
            with pytest.raises(kind):
                await ask(client, fake, "ill")
        # The last one is tried on a new connection, too, for the first may have been stale.
        ends = ["done", "refused", "refused", "broken", "broken"]
        assert [entry.how for entry in fake.ledger] == ends
        assert fake.left == 0


@pytest.fixture
def process() -> Iterator[Address]:
    """One that runs as a process of its own."""
    command = [sys.executable, "-m", "tests.gateway.fake_backend", "--port", "0"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None and running.stdin is not None
        port = int(running.stdout.readline())
        yield Address.parse(f"http://127.0.0.1:{port}")
        running.stdin.close()
        assert running.wait(60) == 0


async def test_it_is_told_what_to_do_while_it_runs(process: Address, client: Client) -> None:
    assert (await client.call("POST", process, CHAT, body("hi")))["usage"]["total_tokens"] == 11
    change = {"tokens": ["a", "b"], "pace": {"slots": 1, "decode": 1000}, "usage": None}
    await client.call("PUT", process, "/control/script", change)
    answer = await client.call("POST", process, CHAT, body("again"))
    assert answer["choices"][0]["message"]["content"] == "ab" and "usage" not in answer
    ledger = [
        Entry(**each) for each in await client.call("GET", process, "/control/ledger?since=1")
    ]
    assert [(entry.words, entry.how, entry.generated) for entry in ledger] == [("again", "done", 2)]
    state = await client.call("GET", process, "/control")
    assert (state["received"], state["running"], state["waiting"]) == (2, 0, 0)
