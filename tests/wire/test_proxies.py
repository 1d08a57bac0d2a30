"""HTTP proxies: used where the environment names them, and never on the way to this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sutazai.fleet.errors import BadInput, ConnectFailed
from sutazai.wire import Address, Client, Proxies, TlsOptions
from tests.wire.authority import Authority, TlsServer
from tests.wire.conftest import Serve
from tests.wire.handlers import describe
from tests.wire.little_proxy import LittleProxy
from tests.wire.peers import DEADLINE

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def proxy() -> AsyncIterator[LittleProxy]:
    proxy = LittleProxy()
    await proxy.start()
    yield proxy
    await proxy.close()


def name(
    monkeypatch: pytest.MonkeyPatch, proxy: LittleProxy, *variables: str, user: str = ""
) -> Proxies:
    for variable in variables:
        monkeypatch.setenv(variable, f"http://{user}127.0.0.1:{proxy.port}")
    return Proxies.from_environment()


async def test_plain_requests_go_to_the_proxy_and_name_their_server(
    proxy: LittleProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = name(monkeypatch, proxy, "http_proxy")
    async with Client(proxies=proxies) as client:
        for _ in range(2):
            response = await client.request("GET", Address.parse("http://far.test:81/b"), "/a?q")
            assert await response.read() == b"ok"
    head = proxy.heads[0]
    assert head.startswith(b"GET http://far.test:81/b/a?q HTTP/1.1\r\nhost: far.test:81\r\n")
    assert b"proxy-authorization" not in head and len(proxy.heads) == 2


async def test_a_proxys_user_and_password_are_told_to_it_alone(
    proxy: LittleProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = name(monkeypatch, proxy, "http_proxy", user="me:p%40ss@")
    address = Address.parse("http://far.test")
    async with Client(proxies=proxies) as client:
        await (await client.request("GET", address, "/")).read()
    assert b"proxy-authorization: Basic bWU6cEBzcw==\r\n" in proxy.heads[0]
    assert "ss" not in repr(proxies.of(address)) and "bWU" not in repr(proxies.of(address))


@pytest.fixture
def authority(folder: Path) -> Authority:
    return Authority(folder)


async def test_tls_goes_through_a_tunnel_to_a_server_that_is_known(
    proxy: LittleProxy, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = name(monkeypatch, proxy, "HTTPS_PROXY", user="me:secret@")
    async with TlsServer(authority.certificate("DNS:far.test")) as server:
        proxy.tunnel_to = server.port
        async with Client(tls=TlsOptions(authority.ca), proxies=proxies) as client:
            response = await client.request("GET", Address.parse("https://far.test/b"), "/a")
            assert await response.read() == b"ok"
            assert proxy.heads[0].startswith(b"CONNECT far.test:443 HTTP/1.1\r\n")
            assert b"proxy-authorization: Basic " in proxy.heads[0]
            assert server.heads[0].startswith(b"GET /b/a HTTP/1.1\r\nhost: far.test\r\n")
            assert b"proxy-authorization" not in server.heads[0]


async def test_a_tunnel_makes_no_stranger_known(
    proxy: LittleProxy, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = name(monkeypatch, proxy, "https_proxy")
    async with TlsServer(authority.certificate("DNS:other.test")) as server:
        proxy.tunnel_to = server.port
        async with Client(tls=TlsOptions(authority.ca), proxies=proxies) as client:
            with pytest.raises(ConnectFailed, match="certificate"):
                await client.request("GET", Address.parse("https://far.test"), "/")
        assert not server.heads


@pytest.mark.parametrize(
    ("status", "words"),
    [(b"407 No", "password"), (b"502 Bad", "answered 502"), (b"nonsense", "does not speak HTTP")],
)
async def test_a_tunnel_that_is_refused_is_a_failed_connection(
    proxy: LittleProxy, monkeypatch: pytest.MonkeyPatch, status: bytes, words: str
) -> None:
    proxies = name(monkeypatch, proxy, "https_proxy", user="me:secret@")
    proxy.status = status
    async with Client(proxies=proxies) as client:
        with pytest.raises(ConnectFailed) as caught:
            await client.request("GET", Address.parse("https://far.test"), "/")
    said = f"{caught.value.message} {caught.value.hint}"
    assert words in said and "secret" not in said


async def test_a_tunnel_that_talks_before_its_server_is_refused(
    proxy: LittleProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = name(monkeypatch, proxy, "https_proxy")
    proxy.after, proxy.tunnel_to = b"injected", proxy.port
    async with Client(proxies=proxies) as client:
        with pytest.raises(ConnectFailed):
            await client.request("GET", Address.parse("https://far.test"), "/")


async def test_a_proxy_that_is_not_there_is_a_failed_connection(
    proxy: LittleProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = name(monkeypatch, proxy, "http_proxy", "https_proxy")
    await proxy.close()
    async with Client(proxies=proxies) as client:
        for url in ("http://far.test", "https://far.test"):
            with pytest.raises(ConnectFailed):
                await client.request("GET", Address.parse(url), "/")


async def test_who_is_cancelled_in_the_midst_of_a_tunnel_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    come, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        come.set()
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with Client(proxies=Proxies.from_environment()) as client:
        asking = asyncio.create_task(client.request("GET", Address.parse("https://far.test"), "/"))
        async with asyncio.timeout(DEADLINE):
            await come.wait()
            asking.cancel()
            await asyncio.wait([asking])
            await gone.wait()
    server.close()


async def test_this_machine_is_reached_without_a_proxy(
    serve: Serve, proxy: LittleProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = name(monkeypatch, proxy, "http_proxy", "all_proxy")
    running = await serve(describe)
    async with Client(proxies=proxies) as client:
        for address in (
            running.tcp,
            running.unix,
            Address.parse(f"http://localhost:{running.port}"),
        ):
            assert (await client.call("GET", address, "/a"))["target"] == "/a"
    assert not proxy.heads


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("http://far.test", True), ("http://127.0.0.1", False), ("http://127.8.9.1:5", False),
        ("http://[::1]:5", False), ("http://LOCALHOST", False), ("http://a.localhost", False),
        ("http://127.0.0.1.evil.test", True), ("http://inside.test", False),
        ("http://a.inside.test", False), ("http://notinside.test", True),
        ("http://half.test:81", False), ("http://half.test", True), ("http://10.0.0.1", True),
    ],
)  # fmt: skip
async def test_who_is_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, url: str, used: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://p.test:3128")
    monkeypatch.setenv("no_proxy", "inside.test,.inside.test, half.test:81")
    found = Proxies.from_environment().of(Address.parse(url))
    assert (str(found) if found else None) == ("p.test:3128" if used else None)


async def test_each_scheme_has_its_own_and_one_may_be_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "all.test:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://tls.test")
    proxies = Proxies.from_environment()
    assert str(proxies.of(Address.parse("http://far.test"))) == "all.test:1"
    assert str(proxies.of(Address.parse("https://far.test"))) == "tls.test:80"
    assert Proxies({}).of(Address.parse("https://far.test")) is None
    assert Proxies({"http": "x", "no": "*"}).of(Address.parse("http://far.test")) is None


@pytest.mark.parametrize(
    "url", ["socks5://u:secret@h:1", "https://h", "http://", "http://h:secret"]
)
async def test_a_proxy_of_another_kind_is_said_when_it_is_needed_and_not_before(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("http_proxy", url)
    async with Client(proxies=Proxies.from_environment()) as client:
        await client.call("GET", (await serve(describe)).tcp, "/")
        with pytest.raises(BadInput) as caught:
            await client.request("GET", Address.parse("http://far.test"), "/")
    assert "secret" not in str(caught.value)


async def test_nobody_is_used_who_was_not_asked_for(
    client: Client, proxy: LittleProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    name(monkeypatch, proxy, "http_proxy")
    with pytest.raises(ConnectFailed):
        await client.request("GET", Address.parse("http://127.0.0.1:9"), "/")
    assert not proxy.heads
