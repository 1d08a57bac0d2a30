"""The broker in all its forms, against the real servers."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from sutazai.bus.brokers import outside_broker
from sutazai.bus.bus import Bus
from sutazai.bus.message import Bounds, Message
from sutazai.fleet.messaging import Broker, BusSpec
from tests.bus.servers import Missing, nats_server, rabbitmq_server


@dataclass
class Open:
    """A bus that was opened, and the agents that it said have messages."""

    bus: Bus
    ready: set[str]


@dataclass
class Post:
    """Opens one bus after the other on the same broker and folder: lives of one gateway."""

    folder: Path
    spec: BusSpec
    opened: list[Bus] = field(default_factory=list)

    async def open(self, **bounds: Any) -> Open:
        ready: set[str] = set()
        made = Bounds(**bounds)
        bus = Bus(
            self.folder / "log",
            ready=ready.add,
            bounds=made,
            outside=outside_broker(self.spec, made),
        )
        await bus.open()
        self.opened.append(bus)
        await bus.serve(["ann", "bob", "cid"])
        return Open(bus, ready)

    async def close(self) -> None:
        while self.opened:
            await self.opened.pop().close()


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[Broker], str | None]]:
    """The address of a broker's server, which is started when it is asked for first."""
    urls: dict[Broker, str | None] = {Broker.EMBEDDED: None}
    with ExitStack() as stack:

        def url(kind: Broker) -> str | None:
            if kind not in urls:
                name = stack.enter_context(TemporaryDirectory(prefix="sb-", dir="/tmp"))
                start = nats_server if kind is Broker.NATS else rabbitmq_server
                urls[kind] = stack.enter_context(start(Path(name))).url
            return urls[kind]

        yield url


@pytest.fixture(params=list(Broker), ids=str)
async def post(
    request: pytest.FixtureRequest, tmp_path: Path, servers: Callable[[Broker], str | None]
) -> AsyncIterator[Post]:
    try:
        url = servers(request.param)
    except Missing as reason:
        pytest.skip(str(reason))
    spec = BusSpec(broker=request.param, url=url, prefix=f"t{secrets.token_hex(4)}")
    made = Post(tmp_path, spec)
    yield made
    await made.close()


def numbered(count: int, *, sender: str = "ann", to: str = "bob", first: int = 0) -> list[Message]:
    now = time.time()
    return [
        Message(f"{sender}/{number}", sender, to, "count", str(number).encode(), now, now + 3600)
        for number in range(first, first + count)
    ]
