"""Messages between agents of the real SDK, through a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sutazai.agent import Agent, Message, on
from sutazai.fleet.errors import (
    BadInput,
    DeadlineExceeded,
    Deadlock,
    Failed,
    NotFound,
    QueueFull,
    Refused,
)
from sutazai.fleet.hierarchy import Member
from sutazai.fleet.messaging import Messages, MessageType
from sutazai.fleet.spec import Rank
from tests.gateway.conftest import until
from tests.gateway.fake_agents import FakeHost
from tests.gateway.house import House
from tests.gateway.messages.crew import Crew

NAMES = ("boss", "lead", "other-lead", "ann", "bob", "cid")
MEMBERS = {
    "boss": Member(Rank.ORCHESTRATOR),
    "lead": Member(Rank.LEAD, "boss"),
    "other-lead": Member(Rank.LEAD, "boss"),
    "ann": Member(Rank.WORKER, "lead"),
    "bob": Member(Rank.WORKER, "lead"),
    "cid": Member(Rank.WORKER, "other-lead"),
}


class Listener(Agent):
    """Keeps what it gets; does what the message says."""

    async def start(self) -> None:
        self.begun: list[Any] = []
        self.got: list[Message] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.faults = 0

    async def on_message(self, message: Message) -> Any:
        self.begun.append(message.body)
        await self.hold.wait()
        if message.body == "fail" and self.faults:
            self.faults -= 1
            raise ValueError("as told")
        if message.body == "refuse":
            raise Refused("not mine")
        if message.type == "relay":
            return await self.ask(message.body[0], "relay", message.body[1:])
        self.got.append(message)
        return {"heard": message.body, "by": self.name}

    @property
    def bodies(self) -> list[Any]:
        return [message.body for message in self.got]


@pytest.fixture
async def crew(house: House) -> AsyncIterator[Crew]:
    async with Crew(house, NAMES) as made:
        yield made


async def test_a_message_reaches_its_agent_with_all_that_was_said(crew: Crew) -> None:
    await crew.open()
    bob = await crew.hire(Listener, "bob")
    ann = crew.agent(Listener, "ann")
    await ann.send("bob", "greeting", {"text": "hello ✓"}, version=2)
    await until(lambda: bob.got)
    assert bob.got[0].id.startswith("ann/")
    assert (bob.got[0].sender, bob.got[0].type, bob.got[0].version) == ("ann", "greeting", 2)
    assert bob.bodies == [{"text": "hello ✓"}]
    await until_settled(crew)


async def test_many_at_once_arrive_once_each_and_in_the_order_of_each_sender(crew: Crew) -> None:
    await crew.open()
    bob = await crew.hire(Listener, "bob")
    senders = [crew.agent(Listener, name) for name in ("ann", "cid", "lead")]
    await asyncio.gather(
        *(sender.send("bob", "count", number) for number in range(300) for sender in senders)
    )
    await until(lambda: len(bob.got) == 900)
    for sender in senders:
        mine = [message.body for message in bob.got if message.sender == sender.name]
        assert mine == list(range(300))
    await until_settled(crew)


async def test_an_agent_that_sleeps_is_woken_by_a_message(crew: Crew, house: House) -> None:
    await crew.open()
    ann = crew.agent(Listener, "ann")
    async with FakeHost(house.places.host_socket) as host:
        await ann.send("bob", "greeting", "still there?")
        await until(lambda: host.asked)
        assert (await overview(crew))["inboxes"][0]["messages"] == 1
        bob = await crew.hire(Listener, "bob")
        await until(lambda: bob.got)


async def test_an_answer_comes_back_or_the_error(crew: Crew) -> None:
    await crew.open()
    bob = await crew.hire(Listener, "bob")
    ann = crew.agent(Listener, "ann")
    assert await ann.ask("bob", "question", [1, 2]) == {"heard": [1, 2], "by": "bob"}
    with pytest.raises(Refused, match="not mine"):
        await ann.ask("bob", "question", "refuse")
    bob.faults = 1
    with pytest.raises(Failed, match="as told"):
        await ann.ask("bob", "question", "fail")
    bob.hold.clear()
    with pytest.raises(DeadlineExceeded):
        await ann.ask("bob", "question", "?", deadline=0.2)
    bob.hold.set()


async def test_a_question_that_takes_long_holds_up_nobody(crew: Crew) -> None:
    await crew.open()
    bob = await crew.hire(Listener, "bob")
    ann = crew.agent(Listener, "ann")
    bob.hold.clear()
    asked = asyncio.create_task(ann.ask("bob", "question", "slow"))
    await until(lambda: bob.begun == ["slow"])
    await ann.send("bob", "greeting", "after it")
    await until(lambda: bob.begun == ["slow", "after it"])
    bob.hold.set()
    assert (await asked)["heard"] == "slow"


async def test_what_fails_is_tried_again_in_its_place(crew: Crew) -> None:
    await crew.open()
    bob = await crew.hire(Listener, "bob")
    bob.faults = 1
    ann = crew.agent(Listener, "ann")
    await asyncio.gather(*(ann.send("bob", "x", body) for body in ("one", "fail", "three")))
    await until(lambda: len(bob.got) == 3)
    assert bob.bodies == ["one", "fail", "three"]


async def test_what_is_refused_or_fails_too_often_is_a_dead_letter(crew: Crew) -> None:
    await crew.open(messages=Messages(tries=1))
    bob = await crew.hire(Listener, "bob")
    bob.faults = 1
    ann = crew.agent(Listener, "ann")
    for body in ("refuse", "fail", "fine"):
        await ann.send("bob", "x", body)
    await until(lambda: bob.bodies == ["fine"])
    letters = await crew.house.api("GET", "/messages/dead")
    assert [(letter["reason"], letter["body"]) for letter in letters] == [
        ("too-many-tries", '"fail"'),
        ("refused", '"refuse"'),
    ]
    assert "as told" in letters[0]["error"]
    answer = await crew.house.api("POST", "/messages/replay", {"reason": "too-many-tries"})
    assert answer["replayed"][0].startswith(f"{letters[0]['id']}+")
    await until(lambda: bob.bodies == ["fine", "fail"])
    assert await crew.house.api("POST", "/messages/drop", {}) == {"dropped": 1}


async def test_the_hierarchy_holds_and_shows_the_way(crew: Crew) -> None:
    await crew.open(members=MEMBERS)
    listeners = {name: await crew.hire(Listener, name) for name in NAMES}
    for one, other in (("ann", "lead"), ("lead", "ann"), ("lead", "boss"), ("boss", "other-lead")):
        await listeners[one].send(other, "x", one)
    for one, other, way in (
        ("ann", "bob", "ask lead: ann → lead → bob"),
        ("ann", "boss", "ask lead: ann → lead → boss"),
        ("lead", "other-lead", "ask boss: lead → boss → other-lead"),
        ("boss", "cid", "ask other-lead: boss → other-lead → cid"),
    ):
        for work in (
            listeners[one].send(other, "x", 1),
            listeners[one].ask(other, "x", 1),
            listeners[one].ask(other, "an input"),
        ):
            with pytest.raises(Refused) as caught:
                await work
            assert caught.value.hint == way


async def test_teams_and_topics_reach_those_who_may_be_written_to(crew: Crew) -> None:
    await crew.open(members=MEMBERS, topics={"builds": ("ann", "cid", "lead", "boss")})
    listeners = {name: await crew.hire(Listener, name) for name in NAMES}
    assert await listeners["lead"].broadcast("news", "for the team") == ["ann", "bob"]
    assert await listeners["lead"].publish("builds", "news", "green") == ["ann", "boss"]
    await until(lambda: len(listeners["ann"].got) == 2 and listeners["boss"].got)
    assert [message.topic for message in listeners["ann"].got] == ["", "builds"]
    assert not listeners["cid"].got
    assert await listeners["bob"].publish("nobody-has-this", "news") == []


async def test_a_full_inbox_says_so_and_how_long(crew: Crew) -> None:
    await crew.open(messages=Messages(inbox=3))
    bob = await crew.hire(Listener, "bob")
    bob.hold.clear()
    ann = crew.agent(Listener, "ann")
    results = await asyncio.gather(
        *(ann.send("bob", "x", number) for number in range(5)), return_exceptions=True
    )
    refused = [error for error in results if isinstance(error, QueueFull)]
    assert len(refused) == 2
    assert refused[0].data["retry_after"] >= 1
    bob.hold.set()
    await until(lambda: len(bob.got) == 3)


async def test_agents_that_ask_in_a_circle_are_told(crew: Crew) -> None:
    await crew.open()
    ann, bob, cid = [await crew.hire(Listener, name) for name in ("ann", "bob", "cid")]
    with pytest.raises(Deadlock) as caught:
        await ann.ask("bob", "relay", ["cid", "ann"])
    assert caught.value.data["circle"] == ["cid", "ann", "bob", "cid"]
    with pytest.raises(Deadlock):
        await ann.ask("ann", "relay", [])
    answers = asyncio.gather(ann.ask("bob", "x", 1), bob.ask("ann", "x", 2), cid.ask("bob", "x", 3))
    assert [answer["heard"] for answer in await answers] == [1, 2, 3]  # waits, but no circle


async def test_types_have_schemas_and_the_last_three_versions(crew: Crew) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    kind = MessageType(version=4, schema_=schema, earlier={3: {"type": "integer"}})
    await crew.open(messages=Messages(types={"count": kind}, size="1KiB"))
    bob = await crew.hire(Listener, "bob")
    ann = crew.agent(Listener, "ann")
    await ann.send("bob", "count", {"n": 1})
    await ann.send("bob", "count", 1, version=3)
    await ann.send("bob", "count", "anything", version=2)
    for body, version, why in (
        ({"n": "x"}, None, "does not fit"),
        ({"n": 1}, 1, "older"),
        ({"n": 1}, 5, "not known yet"),
        ({"n": 1, "more": "x" * 1024}, None, "1024"),
    ):
        with pytest.raises(BadInput, match=why):
            await ann.send("bob", "count", body, version=version)
    with pytest.raises(BadInput) as caught:
        await ann.send("bob", "cuont", {"n": 1})
    assert "count" in str(caught.value.hint)
    with pytest.raises(NotFound):
        await ann.send("bobb", "count", {"n": 1})
    await until(lambda: len(bob.got) == 3)
    assert [message.version for message in bob.got] == [4, 3, 2]


async def test_handlers_by_type(crew: Crew) -> None:
    class Sorting(Agent):
        @on("plan")
        async def planned(self, message: Message) -> str:
            return f"planned {message.body}"

        @on("note")
        def noted(self, message: Message) -> str:
            return str(message.body).upper()

    await crew.open()
    await crew.hire(Sorting, "bob")
    ann = crew.agent(Listener, "ann")
    assert await ann.ask("bob", "plan", "a") == "planned a"
    assert await ann.ask("bob", "note", "a") == "A"
    with pytest.raises(Refused, match="no handler"):
        await ann.ask("bob", "unknown", "a")


async def test_messages_survive_the_gateway(crew: Crew, house: House) -> None:
    await crew.open()
    ann = crew.agent(Listener, "ann")
    for number in range(10):
        await ann.send("bob", "count", number)
    await house.close()
    await house.start_as_kept()
    bob = await crew.hire(Listener, "bob")
    await until(lambda: len(bob.got) == 10)
    assert bob.bodies == list(range(10))


async def test_a_sender_outlives_a_gateway_that_is_away(crew: Crew, house: House) -> None:
    await crew.open()
    bob = await crew.hire(Listener, "bob")
    ann = crew.agent(Listener, "ann")
    await ann.send("bob", "count", 1)
    await house.close()
    sending = asyncio.create_task(ann.send("bob", "count", 2))
    await house.start_as_kept()
    await sending
    await until(lambda: bob.bodies == [1, 2])


async def test_only_the_gateway_brings_messages(crew: Crew, house: House) -> None:
    await crew.open()
    bob = await crew.hire(Listener, "bob")
    forged = {"version": 3, "messages": [{"id": "1", "from": "boss", "type": "x", "body": 1}]}
    reply = await house.post(
        "/agents/bob/messages",
        forged,
        key="ann-key",
        address=house.agents_address,
        headers=[("x-sutazai-messages", "3")],
    )
    assert (reply.status, bob.got) == (404, [])
    reply = await house.post("/messages", forged, address=house.agents_address)
    assert reply.status == 401


async def overview(crew: Crew) -> Any:
    return await crew.house.api("GET", "/messages")


async def until_settled(crew: Crew) -> None:
    async with asyncio.timeout(60):
        while (await overview(crew))["inboxes"]:
            await asyncio.sleep(0.01)
