"""Equal calls that come together: computed once, whoever leaves, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sutazai.fleet.errors import BadPeer, QueueFull, Unavailable
from sutazai.gateway.sharing.flights import AHEAD, Seat, TooSlow
from tests.gateway.sharing.scripted import HEADERS, Scripted, Watched, read, read_some, settle

KEY = b"key"
HIGH, LOW = 0, 2
KIB = 1024


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(60):
        yield


@pytest.fixture
async def flights() -> AsyncIterator[Watched]:
    made = Watched(each=256 * KIB)
    yield made
    for seat in made.seats:
        seat.leave()
    await made.close()
    assert (made.under_way, made.held) == (0, 0)


async def streamed(seat: Seat[Scripted]) -> bytes:
    response = await seat.response()
    assert response.status == 200
    assert list(response.headers) == HEADERS
    return await read(response.body)


# one alone


async def test_a_call_alone_gets_its_answer(flights: Watched) -> None:
    seat = flights.join(KEY, Scripted(b"one ", b"two", None))
    assert seat.led
    assert await streamed(seat) == b"one two"


async def test_a_whole_answer_is_bytes(flights: Watched) -> None:
    computation = Scripted()
    computation.begin(b"whole")
    seats = [flights.join(KEY, computation) for _ in range(3)]
    assert [(await seat.response()).body for seat in seats] == [b"whole"] * 3
    assert computation.ran == 1


async def test_a_finished_answer_is_not_joined_any_more(flights: Watched) -> None:
    await streamed(flights.join(KEY, Scripted(b"one", None)))
    assert flights.join(KEY, Scripted(b"two", None)).led


async def test_other_keys_fly_alone(flights: Watched) -> None:
    seats = [flights.join(key, Scripted(key, None)) for key in (b"a", b"b")]
    assert [await streamed(seat) for seat in seats] == [b"a", b"b"]


# several


async def test_followers_get_everything_from_the_beginning(flights: Watched) -> None:
    computation = Scripted(b"one ")
    leader = flights.join(KEY, computation)
    body = (await leader.response()).body
    assert isinstance(body, AsyncIterator)
    assert await anext(body) == b"one "
    follower = flights.join(KEY, Scripted())
    assert not follower.led
    assert follower.computation is computation
    computation.say(b"two ", b"three", None)
    assert await read(body) == b"two three"
    assert await streamed(follower) == b"one two three"
    assert (computation.ran, flights.led, flights.joined) == (1, 1, 1)


async def test_pieces_that_piled_up_come_as_one(flights: Watched) -> None:
    seat = flights.join(KEY, Scripted(b"one ", b"two ", b"three", None))
    body = (await seat.response()).body
    await settle()
    assert isinstance(body, AsyncIterator)
    assert [piece async for piece in body] == [b"one two three"]


@pytest.mark.parametrize(
    "phase", ["before it runs", "before the head", "in the midst", "at the end"]
)
async def test_the_leader_leaves_and_the_others_stay(flights: Watched, phase: str) -> None:
    computation = Scripted()
    leader, follower = (flights.join(KEY, computation) for _ in range(2))
    if phase == "before the head":
        await settle()
    elif phase != "before it runs":
        computation.begin()
        computation.say(b"one ")
        await leader.response()
        await settle()
    if phase == "at the end":
        computation.say(b"two", None)
        await settle()
    leader.leave()
    if phase in ("before it runs", "before the head"):
        computation.begin()
        computation.say(b"one ")
    if phase != "at the end":
        computation.say(b"two", None)
    assert await streamed(follower) == b"one two"
    assert computation.cancelled == 0


async def test_a_follower_leaves_and_the_leader_stays(flights: Watched) -> None:
    computation = Scripted(b"one ")
    leader, follower = (flights.join(KEY, computation) for _ in range(2))
    body = (await follower.response()).body
    assert isinstance(body, AsyncIterator)
    assert await anext(body) == b"one "
    await follower.aclose()
    assert [piece async for piece in body] == []
    computation.say(b"two", None)
    assert await streamed(leader) == b"one two"


@pytest.mark.parametrize("phase", ["before the head", "in the midst"])
async def test_when_all_have_left_it_is_cancelled_once(flights: Watched, phase: str) -> None:
    computation = Scripted()
    seats = [flights.join(KEY, computation) for _ in range(3)]
    if phase == "in the midst":
        computation.begin()
        computation.say(b"one")
    await settle()
    for seat in seats[:2]:
        seat.leave()
    await settle()
    assert computation.cancelled == 0
    seats[2].leave()
    assert flights.join(KEY, Scripted(b"new", None)).led, "nobody boards what is given up"
    for seat in seats:
        seat.leave()
    await settle()
    assert computation.cancelled == 1
    assert computation.closed == (2 if phase == "in the midst" else 0)


async def test_a_call_given_up_before_it_ran_never_runs(flights: Watched) -> None:
    computation = Scripted(b"one")
    flights.join(KEY, computation).leave()
    await settle()
    assert (computation.ran, flights.under_way) == (0, 0)


async def test_a_client_cancelled_while_it_waits_can_leave(flights: Watched) -> None:
    computation = Scripted()
    leader, follower = (flights.join(KEY, computation) for _ in range(2))
    waiting = asyncio.create_task(leader.response())
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    leader.leave()
    computation.begin(b"whole")
    assert (await follower.response()).body == b"whole"


# failures


async def test_an_error_before_the_head_is_everybodys(flights: Watched) -> None:
    computation = Scripted()
    seats = [flights.join(KEY, computation) for _ in range(3)]
    await settle()
    computation.fail(QueueFull("the queue is full", retry_after=7))
    for seat in seats:
        with pytest.raises(QueueFull) as caught:
            await seat.response()
        assert caught.value.data == {"retry_after": 7}
    assert flights.join(KEY, Scripted(b"one", None)).led


async def test_an_error_in_the_midst_comes_after_what_was_said(flights: Watched) -> None:
    computation = Scripted(b"one ", b"two", BadPeer("nonsense"))
    for seat in [flights.join(KEY, computation) for _ in range(2)]:
        body = (await seat.response()).body
        assert isinstance(body, AsyncIterator)
        await settle()
        assert await anext(body) == b"one two"
        with pytest.raises(BadPeer):
            await anext(body)
        assert [piece async for piece in body] == []


async def test_an_error_raised_by_many_does_not_grow(flights: Watched) -> None:
    computation = Scripted()
    seats = [flights.join(KEY, computation) for _ in range(20)]
    computation.fail(BadPeer("nonsense"))
    lengths = set()
    for seat in seats:
        with pytest.raises(BadPeer) as caught:
            await seat.response()
        lengths.add(len(caught.traceback))
    assert len(lengths) == 1


async def test_a_bug_reaches_the_clients_too(flights: Watched) -> None:
    computation = Scripted()
    seat = flights.join(KEY, computation)
    computation.fail(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await seat.response()


async def test_closing_ends_all_and_tells_them(flights: Watched) -> None:
    computation = Scripted()
    streaming = Scripted(b"one")
    seat, other = flights.join(KEY, computation), flights.join(b"other", streaming)
    body = (await other.response()).body
    assert isinstance(body, AsyncIterator)
    await settle()
    await flights.close()
    with pytest.raises(Unavailable):
        await seat.response()
    assert await anext(body) == b"one"
    with pytest.raises(Unavailable):
        await anext(body)
    assert (computation.cancelled, streaming.cancelled, streaming.closed) == (1, 1, 2)


async def test_closing_tells_those_whose_call_has_not_run_yet(flights: Watched) -> None:
    seat = flights.join(KEY, Scripted())
    await flights.close()
    with pytest.raises(Unavailable):
        await seat.response()


# pace


async def test_the_backend_waits_for_the_foremost_reader(flights: Watched) -> None:
    piece = bytes(16 * KIB)
    computation = Scripted(*[piece] * 100, None)
    seat = flights.join(KEY, computation)
    body = (await seat.response()).body
    assert isinstance(body, AsyncIterator)
    await settle()
    for _ in range(200):
        await asyncio.sleep(0)
    assert computation.given * len(piece) <= AHEAD + 2 * len(piece)
    assert len(await read(body)) == 100 * len(piece)
    assert flights.cut == 0


async def test_the_slow_one_is_cut_and_the_others_go_on(flights: Watched) -> None:
    piece = bytes(16 * KIB)
    computation = Scripted(*[piece] * 100, None)
    fast, slow = (flights.join(KEY, computation) for _ in range(2))
    stuck = (await slow.response()).body
    assert isinstance(stuck, AsyncIterator)
    assert len(await anext(stuck)) > 0
    assert len(await streamed(fast)) == 100 * len(piece)
    with pytest.raises(TooSlow):
        await anext(stuck)
    assert [piece async for piece in stuck] == []
    assert flights.cut == 1


async def test_when_only_the_cut_one_is_left_the_work_ends(flights: Watched) -> None:
    piece = bytes(16 * KIB)
    computation = Scripted(*[piece] * 40)
    fast, slow = (flights.join(KEY, computation) for _ in range(2))
    body = (await fast.response()).body
    await slow.response()
    await read_some(body, 40 * len(piece))
    assert flights.cut == 1
    fast.leave()
    await settle()
    slow.leave()
    await settle()
    assert (computation.cancelled, computation.closed, flights.under_way) == (1, 2, 0)


async def test_the_one_who_is_left_sets_the_pace(flights: Watched) -> None:
    piece = bytes(16 * KIB)
    computation = Scripted(*[piece] * 100, None)
    fast, slow = (flights.join(KEY, computation) for _ in range(2))
    body = (await fast.response()).body
    await read_some(body, 12 * len(piece))  # less than the bound ahead of the other
    fast.leave()
    assert len(await streamed(slow)) == 100 * len(piece)
    assert flights.cut == 0


async def test_a_long_answer_lets_nobody_in_any_more(flights: Watched) -> None:
    piece = bytes(16 * KIB)
    computation = Scripted(*[piece] * 20)
    early = flights.join(KEY, computation)
    body = (await early.response()).body
    await read_some(body, 20 * len(piece))
    await settle()
    late = flights.join(KEY, Scripted(b"anew", None))
    assert late.led
    assert await streamed(late) == b"anew"
    computation.say(b"end", None)
    assert await read(body) == b"end"


async def test_what_all_flights_keep_is_bounded_together() -> None:
    flights = Watched(each=256 * KIB, total=100 * KIB)
    piece = bytes(40 * KIB)
    computations = [Scripted(*[piece] * 3) for _ in range(20)]
    for number, each in enumerate(computations):
        await read_some((await flights.join(number, each).response()).body, 3 * len(piece))
    assert flights.held <= 100 * KIB + 20 * len(piece)
    assert flights.join(19, Scripted(b"", None)).led
    for seat in flights.seats:
        seat.leave()
    await flights.close()
    assert flights.held == 0


# priority


async def test_a_higher_priority_does_not_wait_behind_a_lower(flights: Watched) -> None:
    low = Scripted(waiting=True)
    first = flights.join(KEY, low, rank=LOW)
    high = Scripted(waiting=True)
    second = flights.join(KEY, high, rank=HIGH)
    assert second.led
    third = flights.join(KEY, Scripted(), rank=LOW)
    assert third.computation is high, "from now on the faster one is joined"
    low.begin(b"low")
    assert (await first.response()).body == b"low"
    assert flights.join(KEY, Scripted(), rank=LOW).computation is high
    high.begin(b"high")
    assert [(await seat.response()).body for seat in (second, third)] == [b"high"] * 2


async def test_what_already_runs_serves_everybody(flights: Watched) -> None:
    low = Scripted(b"one", None)
    flights.join(KEY, low, rank=LOW)
    assert flights.join(KEY, Scripted(), rank=HIGH).computation is low


# what is kept


async def test_only_answers_that_came_to_their_end_land() -> None:
    landed: list[bytes] = []
    flights = Watched(lambda computation, body: landed.append(body))
    whole = Scripted()
    whole.begin(b"whole")
    assert (await flights.join(1, whole).response()).body == b"whole"
    assert await streamed(flights.join(2, Scripted(b"one ", b"two", None))) == b"one two"
    with pytest.raises(BadPeer):
        await streamed(flights.join(3, Scripted(b"one", BadPeer("nonsense"))))
    left = flights.join(4, Scripted(b"one"))
    await left.response()
    left.leave()
    await flights.close()
    assert landed == [b"whole", b"one two"]


async def test_an_answer_too_long_to_be_kept_does_not_land() -> None:
    landed: list[bytes] = []
    flights = Watched(lambda computation, body: landed.append(body), each=KIB)
    computation = Scripted(bytes(2 * KIB))
    body = (await flights.join(KEY, computation).response()).body
    await read_some(body, 2 * KIB)
    computation.say(b"end", None)
    assert await read(body) == b"end"
    await flights.close()
    assert landed == []
