"""The protocol in its three versions, side by side: golden files, and agents that speak old ones.

A golden file is never changed: programs that were written by it are still out there.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.bus.message import Message
from sutazai.fleet.errors import BadInput
from sutazai.gateway.messages import envelope
from sutazai.wire import Request, Response, Router, Server, error_response, json_response
from tests.gateway.conftest import until
from tests.gateway.house import House
from tests.gateway.messages.crew import Crew
from tests.gateway.messages.test_messages import Listener, until_settled

GOLDEN = Path(__file__).parent / "golden"
MESSAGE = Message(
    "ann/m-1", "ann", "bob", "review.done", b'{"ok": true}', 100.0, 160.0, 4, "reviews"
)


@pytest.mark.parametrize("version", envelope.SPOKEN)
def test_what_is_sent_is_understood_in_every_version(version: int) -> None:
    (posted,) = envelope.read((GOLDEN / f"sent-{version}.json").read_bytes())
    assert (posted.id, posted.to, posted.type) == ("m-1", "bob", "review.done")
    assert json.loads(bytes(posted.body)) == {"ok": True, "text": "fine ✓"}
    assert posted.lasts == (None if version == 1 else 60.0)


@pytest.mark.parametrize("version", envelope.SPOKEN)
def test_what_is_delivered_is_written_in_every_version(version: int) -> None:
    written = envelope.write([MESSAGE], version, handling=300.0, now=100.0)
    assert written == (GOLDEN / f"delivered-{version}.json").read_bytes()


@pytest.mark.parametrize("data", [b'{"version": 0}', b'{"version": 4, "messages": []}', b"{}"])
def test_other_versions_are_refused_with_those_that_are_spoken(data: bytes) -> None:
    with pytest.raises(BadInput, match="version") as caught:
        envelope.read(data)
    assert caught.value.hint == "spoken are: 1, 2, 3"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for start in (b"", b'{"version":3,', b'{"version":3,"messages":['):
        with contextlib.suppress(BadInput):
            envelope.read(start + data)


class OldAgent:
    """Takes messages in one old version only, and says so."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.got: list[Any] = []
        self.router = Router()
        self.router.add("POST", "/messages", self._take)

    async def _take(self, request: Request) -> Response:
        value = await request.json()
        if value["version"] != self.version:
            return error_response(BadInput("too new for me", spoken=[self.version]))
        messages = [value] if self.version == 1 else value["messages"]
        self.got += [one.get("content", one.get("payload")) for one in messages]
        return json_response({"taken": list(range(len(messages)))})


@pytest.mark.parametrize("version", [1, 2])
async def test_an_old_agent_gets_what_it_understands(house: House, version: int) -> None:
    async with Crew(house, ("ann", "bob")) as crew:
        await crew.open()
        old = OldAgent(version)
        await crew.hire(Listener, "bob")
        server, crew.servers["bob"] = crew.servers["bob"], Server(old.router)
        await server.close(grace=0)
        address = crew.ready["bob"].address.removeprefix("unix:")
        await crew.servers["bob"].listen_unix(Path(address), "instance")
        ann = crew.agent(Listener, "ann")
        for number in range(3):
            await ann.send("bob", "count", number)
        await until(lambda: old.got == [0, 1, 2])
        await until_settled(crew)


async def test_senders_of_all_versions_reach_the_same_agent(house: House) -> None:
    async with Crew(house, ("ann", "bob")) as crew:
        await crew.open()
        bob = await crew.hire(Listener, "bob")
        for version in envelope.SPOKEN:
            value = json.loads((GOLDEN / f"sent-{version}.json").read_text())
            (value if version == 1 else value["messages"][0])["id"] = f"m-{version}"
            reply = await house.post(
                "/messages", value, key="ann-key", address=house.agents_address
            )
            assert (reply.status, reply.json) == (200, {})
        await until(lambda: len(bob.got) == 3)
        assert {json.dumps(message.body) for message in bob.got} == {
            json.dumps({"ok": True, "text": "fine ✓"})
        }
