"""The gateway as a process of its own, killed at random while agents write to each other."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path

import pytest

from sutazai.agent import Agent, Message
from sutazai.agent.identity import Identity
from sutazai.agent.server import InstanceServer
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.facts import Endpoint, EndpointFacts
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Door, Key, Routes
from sutazai.wire import Address, Client, Server
from tests.gateway.conftest import until
from tests.ports import free_port

pytestmark = pytest.mark.timeout(300)  # processes start again and again
SENDERS = ("ann", "cid", "dan")


class Counting(Agent):
    async def start(self) -> None:
        self.got: list[tuple[str, int]] = []

    async def on_message(self, message: Message) -> None:
        self.got.append((message.sender, message.body))


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: Places) -> Places:
    """As the gateway's own process finds them."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(places.runtime))
    made = Places.of(places.state)
    made.runtime.mkdir(parents=True, mode=0o700)
    return made


@pytest.mark.parametrize(
    ("kills", "each"), [(2, 300), pytest.param(10, 1000, marks=pytest.mark.soak)]
)
async def test_killed_again_and_again_it_loses_nothing_and_keeps_the_order(
    places: Places, client: Client, kills: int, each: int
) -> None:
    everything = each * len(SENDERS)
    bob = await hire(places, client, "bob")
    server = Server(InstanceServer(bob).handler)
    await server.listen_unix(places.runtime / "bob.sock", "instance")
    keep(places, "bob")
    gateway = await start(places, client)
    senders = [await hire(places, client, name) for name in SENDERS]
    try:
        work = [asyncio.create_task(send_all(sender, each)) for sender in senders]
        for _ in range(kills):
            before = len(bob.got)
            # All may have come already, where the machine is quick.
            await until(lambda: len(bob.got) > before or len(bob.got) >= everything)  # noqa: B023 (awaited here)
            await asyncio.sleep(random.random() / 20)
            gateway.kill()
            await gateway.wait()
            gateway = await start(places, client)
        await asyncio.gather(*work)
        await until(lambda: len(bob.got) >= everything)
    finally:
        gateway.kill()
        await gateway.wait()
        await server.close(grace=0)
    for name in SENDERS:
        assert [number for sender, number in bob.got if sender == name] == list(range(each))


async def send_all(sender: Counting, number: int) -> None:
    """A few at once, so that there is always something under way when the gateway dies."""
    for start in range(0, number, 10):
        await asyncio.gather(*(sender.send("bob", "x", start + one) for one in range(10)))


async def hire(places: Places, client: Client, name: str) -> Counting:
    gateway = f"unix:{places.agents_socket}"
    agent = Counting(
        Identity(agent=name, instance=f"{name}-1", gateway=gateway, key=f"{name}-key"), client
    )
    await agent.start()
    return agent


def keep(places: Places, receiver: str) -> None:
    """What control and host have told the gateway, as it keeps it."""
    names = (receiver, *SENDERS)
    routes = Routes(
        revision=1,
        doors=tuple(Door(agent=name) for name in names),
        keys=tuple(Key(name=name, secret=f"{name}-key", agent=True) for name in names),
    )
    address = f"unix:{places.runtime / 'bob.sock'}"
    ready = (Endpoint(agent=receiver, instance=f"{receiver}-1", address=address),)
    facts = EndpointFacts(incarnation="h", sequence=1, full=True, ready=ready)
    ports = {"ports": {"host": "127.0.0.1", "gateway": free_port()}}
    places.config.write_text(json.dumps(ports))
    places.routes.write_text(routes.model_dump_json())
    places.endpoints.write_text(facts.model_dump_json())


async def start(places: Places, client: Client) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sutazai.gateway", str(places.state), "--own-sockets",
        env=dict(os.environ),
    )  # fmt: skip
    address = Address.parse(f"unix:{places.gateway_socket}")
    async with asyncio.timeout(60):
        while True:
            try:
                await client.call("GET", address, "/messages")
            except SutazaiError:  # not there yet
                await asyncio.sleep(0.05)
            else:
                return process
