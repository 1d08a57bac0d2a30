"""Bodies that are pushed, as those of relayed streams: shared like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sutazai.fleet.errors import BadPeer
from sutazai.gateway.sharing.flights import AHEAD, Flights, Seat
from tests.gateway.sharing.scripted import Pushing, read, read_some, settle

KEY = b"key"


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(60):
        yield


@pytest.fixture
async def landed() -> list[bytes]:
    return []


@pytest.fixture
async def flights(landed: list[bytes]) -> AsyncIterator[Flights[Pushing]]:
    made: Flights[Pushing] = Flights(lambda computation, body: landed.append(body))
    yield made
    await made.close()
    assert made.under_way == 0


async def body_of(seat: Seat[Pushing]) -> AsyncIterator[bytes]:
    body = (await seat.response()).body
    assert isinstance(body, AsyncIterator)
    await settle()
    return body


async def test_everybody_gets_what_is_pushed(
    flights: Flights[Pushing], landed: list[bytes]
) -> None:
    computation = Pushing()
    leader = await body_of(flights.join(KEY, computation))
    computation.write(b"one ")
    assert await anext(leader) == b"one "
    follower = await body_of(flights.join(KEY, Pushing()))
    computation.write(b"", b"two ")
    assert computation.sink is not None
    computation.sink.close(b"three")
    assert await read(leader) == b"two three"
    assert await read(follower) == b"one two three"
    assert landed == [b"one two three"]
    assert computation.events == ["closed"]


async def test_an_error_comes_after_what_was_said(
    flights: Flights[Pushing], landed: list[bytes]
) -> None:
    computation = Pushing()
    body = await body_of(flights.join(KEY, computation))
    computation.write(b"one")
    assert computation.sink is not None
    computation.sink.fail(BadPeer("nonsense"))
    await settle()
    assert await anext(body) == b"one"
    with pytest.raises(BadPeer):
        await anext(body)
    assert (landed, computation.events) == ([], ["closed"])


async def test_whoever_pushes_is_held_while_nobody_reads(flights: Flights[Pushing]) -> None:
    computation = Pushing()
    body = await body_of(flights.join(KEY, computation))
    computation.write(bytes(AHEAD))
    assert computation.events == []
    computation.write(b"x")
    computation.write(b"still on its way")
    assert computation.events == ["hold"]
    await read_some(body, AHEAD + 1)
    assert computation.events == ["hold", "go on"]
    computation.write(bytes(AHEAD), b"x")
    assert computation.events == ["hold", "go on", "hold"]
    await flights.close()
    await read_some(body, AHEAD + 1)


async def test_when_all_have_left_it_is_closed_and_writes_into_the_void(
    flights: Flights[Pushing],
) -> None:
    computation = Pushing()
    seat = flights.join(KEY, computation)
    await body_of(seat)
    computation.write(b"one")
    seat.leave()
    await settle()
    computation.write(b"two")
    assert computation.events == ["closed"]
    assert (flights.under_way, flights.held) == (0, 0)
