"""TLS: servers are known by the machine's authorities, or by a file of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sutazai.fleet.errors import BadInput, ConnectFailed
from sutazai.wire import Address, Client, TlsOptions
from sutazai.wire.dialing import _usual_context
from tests.wire.authority import Authority, TlsServer
from tests.wire.conftest import Serve
from tests.wire.handlers import echo
from tests.wire.peers import DEADLINE


@pytest.fixture
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[TlsServer]:
    async with TlsServer(authority.certificate("IP:127.0.0.1")) as server:
        yield server


def address_of(server: TlsServer) -> Address:
    return Address.parse(f"https://127.0.0.1:{server.port}")


async def got(client: Client, address: Address) -> bytes:
    async with await client.request("GET", address, "/") as response:
        return await response.read()


async def test_the_machines_authorities_are_known(
    server: TlsServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    _usual_context.cache_clear()
    async with Client() as client:
        assert await got(client, address_of(server)) == b"ok"
    _usual_context.cache_clear()


async def test_a_client_may_know_an_authority_of_its_own(
    server: TlsServer, authority: Authority
) -> None:
    async with Client(tls=TlsOptions(authority.ca)) as client:
        assert await got(client, address_of(server)) == b"ok"


async def test_or_one_for_a_single_address(
    client: Client, server: TlsServer, authority: Authority
) -> None:
    client.trust(address_of(server), TlsOptions(authority.ca))
    assert await got(client, address_of(server)) == b"ok"
    async with TlsServer(server.certificate) as other:
        with pytest.raises(ConnectFailed):
            await got(client, address_of(other))


async def test_a_stranger_is_not_spoken_with(client: Client, server: TlsServer) -> None:
    with pytest.raises(ConnectFailed, match="certificate verify failed"):
        await got(client, address_of(server))
    assert not server.heads


async def test_nor_is_one_under_another_name(client: Client, authority: Authority) -> None:
    async with TlsServer(authority.certificate("DNS:elsewhere.test")) as server:
        client.trust(address_of(server), TlsOptions(authority.ca))
        with pytest.raises(ConnectFailed, match="certificate"):
            await got(client, address_of(server))


async def test_only_ones_own_authority_counts_where_one_is_given(
    folder: Path, client: Client, server: TlsServer
) -> None:
    client.trust(address_of(server), TlsOptions(Authority(folder, "another").ca))
    with pytest.raises(ConnectFailed):
        await got(client, address_of(server))


async def test_what_is_trusted_can_change_and_kept_connections_end(
    folder: Path, client: Client, server: TlsServer, authority: Authority
) -> None:
    address = address_of(server)
    client.trust(address, TlsOptions(authority.ca))
    await got(client, address)
    client.trust(address, TlsOptions(Authority(folder, "another").ca))
    with pytest.raises(ConnectFailed):
        await got(client, address)


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "malformed"])
async def test_a_file_that_cannot_be_used_is_said_at_once(
    folder: Path, client: Client, content: str | None
) -> None:
    path = folder / "file.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInput, match=r"file\.pem"):
        client.trust(Address.parse("https://h"), TlsOptions(path))
    with pytest.raises(BadInput, match=r"file\.pem"):
        Client(tls=TlsOptions(path))


async def test_a_server_without_tls_is_a_failed_connection(client: Client, serve: Serve) -> None:
    running = await serve(echo)
    with pytest.raises(ConnectFailed):
        await got(client, Address.parse(f"https://127.0.0.1:{running.port}"))


async def test_what_is_abandoned_over_tls_is_dropped_at_once(
    server: TlsServer, authority: Authority
) -> None:
    async with Client(tls=TlsOptions(authority.ca)) as client:
        await got(client, address_of(server))
        sent = client.send("GET", address_of(server), "/")
        async with asyncio.timeout(DEADLINE):
            await sent.abandon(60)
