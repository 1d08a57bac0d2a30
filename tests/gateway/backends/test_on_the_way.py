"""Backends behind TLS and behind proxies, through the whole gateway."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.asking import OPENAI, ask, chat
from tests.gateway.fake_backend import FakeBackend
from tests.gateway.house import House, route
from tests.wire.authority import Authority
from tests.wire.little_proxy import LittleProxy


class TlsFront:
    """Takes TLS off before a plain server."""

    def __init__(self, certificate: Path, behind: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._behind = behind
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> int:
        """Gives the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        self._server.close()
        for writer in self._serving.values():
            writer.transport.abort()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except OSError:
        pass  # the other side is gone, which is passed on too
    finally:
        writer.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def fake() -> AsyncIterator[FakeBackend]:
    async with FakeBackend(OPENAI) as fake:
        yield fake


@pytest.fixture
async def front(authority: Authority, fake: FakeBackend) -> AsyncIterator[int]:
    """The port of the fake backend behind TLS."""
    port = int(fake.url.rpartition(":")[2])
    front = TlsFront(authority.certificate("IP:127.0.0.1", "DNS:llm.test"), port)
    yield await front.start()
    await front.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_backend_is_known_by_an_authority_of_its_own(
    house: House, fake: FakeBackend, front: int, authority: Authority, stream: bool
) -> None:
    url = f"https://127.0.0.1:{front}"
    await house.start(route(fake, address=url, ca=str(authority.ca)))
    reply = await ask(house, chat(stream=stream))
    assert reply.status == 200 and "Hello" in reply.data.decode()


async def test_a_backend_that_nobody_vouches_for_is_not_used_and_says_why(
    house: House, fake: FakeBackend, front: int
) -> None:
    await house.start_as_kept()
    await house.route(route(fake, address=f"https://127.0.0.1:{front}"))
    stats = await house.wait_for(lambda stats: "certificate" in stats["backends"][0]["reason"])
    assert not stats["backends"][0]["available"]
    assert (await ask(house, chat())).status == 503
    assert fake.calls == []


async def test_a_backend_on_another_machine_is_reached_through_the_proxy_of_the_environment(
    house: House,
    fake: FakeBackend,
    front: int,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = LittleProxy()
    await proxy.start()
    proxy.tunnel_to = front
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    try:
        await house.start(route(fake, address="https://llm.test", ca=str(authority.ca)))
        assert (await ask(house, chat())).status == 200
        assert all(head.startswith(b"CONNECT llm.test:443 ") for head in proxy.heads)
    finally:
        await house.close()
        await proxy.close()
