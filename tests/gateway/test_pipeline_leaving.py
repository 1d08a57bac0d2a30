"""Clients that leave: in every phase, what they held is free at once, and a slot once the backend
has really stopped. The backend's own ledger says what was computed for nobody."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.wire import Request, Response
from tests.gateway.asking import OLLAMA, OPENAI, ask, chat, queued, streamed
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.fake_engine import Pace
from tests.gateway.house import House, route


async def test_in_the_queue(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1))
        calls = [ask(house, chat(f"{each}", stream=each % 2 > 0)) for each in range(7)]
        await queued(house, 6)
        for call in calls[1:]:
            call.cancel()
        await house.wait_for(lambda stats: stats["cancelled"] == 6)
        await queued(house, 0)
        hold.set()
        assert (await calls[0]).status == 200
        assert len(fake.ledger) == 1


async def test_while_a_connection_is_made(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake, slots=1))
        await fake.stop()
        with deaf_listener(fake.port):
            call = ask(house, chat())
            await house.wait_for(lambda stats: stats["running"] == 1)
            call.cancel()
            await house.wait_for(lambda stats: stats["cancelled"] == 1 and not stats["running"])
        await fake.start()


@contextmanager
def deaf_listener(port: int) -> Iterator[None]:
    """Nobody accepts there, and its backlog is full: connecting takes for ever."""
    with socket.create_server(("127.0.0.1", port), backlog=0), ExitStack() as held:
        for _ in range(4):
            one = held.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield


@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
@pytest.mark.parametrize("stream", [False, True])
async def test_while_the_prompt_is_read(house: House, backend: Dialect, stream: bool) -> None:
    pace = Pace(slots=1, prefill=200.0)
    async with FakeBackend(backend, script=Script(pace=pace)) as fake:
        await house.start(route(fake, slots=1))
        call = ask(house, chat("x" * 4000, stream=stream))  # 5 s to read
        await until(lambda: fake.ledger and fake.ledger[0].began)
        call.cancel()
        await until(lambda: fake.ledger[0].how == "left")
        await house.wait_for(lambda stats: stats["cancelled"] == 1 and not stats["running"])
        (entry,) = fake.ledger
        assert entry.generated == 0 and entry.late <= 2
        assert entry.evaluated < 500


@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
async def test_in_mid_stream(house: House, backend: Dialect) -> None:
    pace = Pace(slots=1, decode=50.0)
    script = Script(pace=pace, tokens=("x",) * 500)
    async with FakeBackend(backend, script=script) as fake:
        await house.start(route(fake, slots=1))
        async with streamed(house, chat()) as response:
            for _ in range(3):
                await response.next_piece()
        await until(lambda: fake.ledger[0].how == "left")
        await house.wait_for(lambda stats: stats["cancelled"] == 1 and not stats["running"])
        assert fake.ledger[0].late <= 1 and fake.ledger[0].generated < 50


async def test_after_the_last_frame_the_call_is_done_though_its_response_goes_on(
    house: House,
) -> None:
    async with EndlessBackend() as fake:
        await house.start(route(fake, slots=1))
        async with streamed(house, chat()) as response:
            heard = b""
            while b"[DONE]" not in heard:
                heard += await response.next_piece()
        stats = await house.wait_for(lambda stats: not stats["running"])
        assert stats["done"] == 1 and not stats["failed"]


class EndlessBackend(FakeBackend):
    """Says all of an answer, and does not end its response."""

    async def _answer(self, request: Request) -> Response:
        frame = {"choices": [{"index": 0, "delta": {"content": "hm"}, "finish_reason": "stop"}]}
        return Response(200, [("content-type", "text/event-stream")], self._frames(frame))

    async def _frames(self, frame: dict[str, Any]) -> AsyncIterator[bytes]:
        yield f"data: {json.dumps(frame)}\n\ndata: [DONE]\n\n".encode()
        await asyncio.Event().wait()


async def test_the_slot_is_busy_until_the_backend_has_stopped(house: House) -> None:
    """It notices half a second later, and the next call does not come before that."""
    script = Script(pace=Pace(decode=50.0), tokens=("x",) * 400)
    async with FakeBackend(script=script, half_closed=0.5) as fake:
        await house.start(route(fake, slots=1))
        async with streamed(house, chat()) as response:
            await response.next_piece()
        fake.script = Script()
        assert (await ask(house, chat("next"))).status == 200
        first, second = fake.ledger
        assert first.ended is not None and second.received >= first.ended
        assert fake.engine.most_running == 1
        (row,) = await house.api("GET", "/backends")
        assert row["running"] == 0


async def test_those_who_leave_under_load_are_forgotten(house: House) -> None:
    script = Script(pace=Pace(slots=4, decode=400.0), tokens=("x",) * 20)
    async with FakeBackend(script=script, half_closed=0.02) as fake:
        await house.start(route(fake, slots=4))
        calls = [ask(house, chat(f"{each}", stream=each % 2 > 0)) for each in range(60)]
        await house.wait_for(lambda stats: stats["done"] + load(stats) == 60)
        leavers = calls[::3]
        for number, call in enumerate(leavers):
            if number % 4 == 0:
                await asyncio.sleep(0.02)
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        stayed = [call.result().status for call in calls if not call.cancelled()]
        assert set(stayed) == {200} and len(stayed) >= 40
        stats = await house.wait_for(lambda stats: not stats["running"])
        assert stats["done"] + stats["cancelled"] == 60 and not sum(stats["queued"].values())
        assert fake.engine.most_running <= 4
        words = [entry.words for entry in fake.ledger]
        assert len(words) == len(set(words))


def load(stats: dict[str, Any]) -> int:
    """Calls that run or wait."""
    load: int = stats["running"] + sum(stats["queued"].values())
    return load
