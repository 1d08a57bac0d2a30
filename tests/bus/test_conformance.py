"""What every broker does alike: the embedded one, NATS JetStream and RabbitMQ."""

from __future__ import annotations

import asyncio
import time

from sutazai.bus.bus import Bus
from sutazai.bus.inboxes import TAKEN, Fate, Outcome
from sutazai.bus.letters import Filter
from sutazai.bus.message import Message, Reason
from sutazai.fleet.errors import QueueFull, SutazaiError
from tests.bus.conftest import Open, Post, numbered

PATIENCE = 60.0


async def take(found: Open, receiver: str, count: int) -> list[Message]:
    """The next ``count`` messages of an agent, however they come; they stay unsettled."""
    taken: list[Message] = []
    async with asyncio.timeout(PATIENCE):
        while len(taken) < count:
            more = found.bus.take(receiver)
            taken += more
            if not more:
                await asyncio.sleep(0.01)
    assert len(taken) == count
    return taken


async def handle(found: Open, receiver: str, count: int) -> list[Message]:
    """As `take`, each batch settled at once."""
    taken: list[Message] = []
    async with asyncio.timeout(PATIENCE):
        while len(taken) < count:
            more = found.bus.take(receiver)
            found.bus.settle([(one, TAKEN) for one in more])
            taken += more
            if not more:
                await asyncio.sleep(0.01)
    return taken


def bodies(messages: list[Message]) -> list[int]:
    return [int(one.body) for one in messages]


async def arrived(bus: Bus, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while sum(depth.count for depth in bus.depths().values()) < count:
            await asyncio.sleep(0.01)


async def test_messages_come_once_each_whole_and_in_order(post: Post) -> None:
    found = await post.open()
    for start in range(0, 200, 50):
        messages = numbered(50, first=start)
        assert await found.bus.publish(messages) == [None] * 50
    got = await handle(found, "bob", 200)
    assert bodies(got) == list(range(200))
    assert got[7] == Message("ann/7", "ann", "bob", "count", b"7", got[7].published, got[7].expires)
    assert "bob" in found.ready


async def test_each_sender_keeps_its_order_and_holds_up_no_other(post: Post) -> None:
    found = await post.open()
    await asyncio.gather(
        found.bus.publish(numbered(20)), found.bus.publish(numbered(20, sender="cid"))
    )
    await arrived(found.bus, 40)
    first = await take(found, "bob", 40)
    more = numbered(1, first=20)
    await found.bus.publish(more)
    await arrived(found.bus, 41)
    assert found.bus.take("bob") == []  # the sender's first ones are not settled
    found.bus.settle([(one, TAKEN) for one in first])
    assert bodies(await handle(found, "bob", 1)) == [20]
    for sender in ("ann", "cid"):
        assert bodies([one for one in first if one.sender == sender]) == list(range(20))


async def test_what_was_not_settled_comes_again_in_the_next_life(post: Post) -> None:
    found = await post.open()
    await found.bus.publish(numbered(30))
    await arrived(found.bus, 30)
    taken = await take(found, "bob", 30)
    found.bus.settle([(one, TAKEN) for one in taken[:10]])
    await post.close()
    found = await post.open()
    assert bodies(await handle(found, "bob", 20)) == list(range(10, 30))
    await post.close()
    found = await post.open()
    await asyncio.sleep(0.3)
    assert found.bus.depths() == {}


async def test_sent_twice_it_comes_once(post: Post) -> None:
    found = await post.open()
    for _ in range(2):
        assert await found.bus.publish(numbered(5)) == [None] * 5
    await found.bus.publish(numbered(1, first=5))
    assert bodies(await handle(found, "bob", 6)) == list(range(6))


async def test_a_full_inbox_refuses_and_takes_more_when_there_is_room(post: Post) -> None:
    found = await post.open(count=5)
    answers: list[SutazaiError | None] = []
    for message in numbered(40):
        answers += await found.bus.publish([message])
    refused = [error for error in answers if error is not None]
    accepted = len(answers) - len(refused)
    assert refused
    assert all(isinstance(error, QueueFull) for error in refused)
    assert all(error.data["retry_after"] >= 1 for error in refused)
    assert await found.bus.publish(numbered(1, to="cid")) == [None]
    got = await handle(found, "bob", accepted)
    assert bodies(got) == sorted(bodies(got))
    async with asyncio.timeout(PATIENCE):
        while await found.bus.publish(numbered(1, first=100)) != [None]:
            await asyncio.sleep(0.1)


async def test_what_fails_is_tried_again_and_given_up_in_the_end(post: Post) -> None:
    found = await post.open(tries=2)
    await found.bus.publish(numbered(3))
    await arrived(found.bus, 3)
    first, *rest = await take(found, "bob", 3)
    found.bus.settle([(first, Outcome(Fate.FAILED, "once"))])
    found.bus.settle([(one, Outcome(Fate.LEFT)) for one in rest])
    (again,) = await take(found, "bob", 1)
    assert again.id == first.id
    found.bus.settle([(again, Outcome(Fate.FAILED, "twice"))])
    assert bodies(await handle(found, "bob", 2)) == [1, 2]
    (letter,) = found.bus.letters
    assert (letter.reason, letter.error, letter.tries) == (Reason.TRIES, "twice", 2)
    await post.close()
    found = await post.open()
    assert [one.message.id for one in found.bus.letters] == [first.id]
    assert len(await found.bus.replay(Filter(), lasts=60.0)) == 1
    assert bodies(await handle(found, "bob", 1)) == [0]
    assert len(found.bus.letters) == 0


async def test_what_expires_is_a_dead_letter(post: Post) -> None:
    found = await post.open()
    now = time.time()
    await found.bus.publish([Message("1", "ann", "bob", "t", b"1", now, now + 0.5)])
    async with asyncio.timeout(PATIENCE):
        while not len(found.bus.letters):
            await asyncio.sleep(0.01)
    assert [one.reason for one in found.bus.letters] == [Reason.EXPIRED]
    await post.close()
    found = await post.open()
    await asyncio.sleep(0.3)
    assert found.bus.depths() == {}


async def test_a_thousand_at_once_are_all_there(post: Post) -> None:
    found = await post.open(count=2000)
    senders = [f"s{number}" for number in range(20)]
    answers = await asyncio.gather(
        *(found.bus.publish(numbered(50, sender=sender)) for sender in senders)
    )
    assert [error for each in answers for error in each if error] == []
    got = await handle(found, "bob", 1000)
    for sender in senders:
        assert bodies([one for one in got if one.sender == sender]) == list(range(50))
