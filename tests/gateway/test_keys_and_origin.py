"""Who may call: keys, and pages that may not."""

from __future__ import annotations

import pytest

from sutazai.fleet.declared import Dialect, Priority
from sutazai.fleet.errors import Refused, Unauthenticated
from sutazai.gateway.callers.keys import KEYLESS, Caller, Keyring
from sutazai.gateway.callers.origin import check
from sutazai.wire import Headers
from tests.gateway.fake_backend import FakeBackend
from tests.gateway.house import KEY, KEYS, House, route

CHAT = {"model": "fake-7b", "messages": [{"role": "user", "content": "hi"}], "stream": False}


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", f"Bearer {KEY}"),
        ("authorization", f"bearer {KEY}"),
        ("x-api-key", KEY),
        ("X-API-Key", f" {KEY} "),
    ],
)
def test_a_key_identifies_its_owner(header: tuple[str, str]) -> None:
    caller = Keyring(KEYS).identify(Headers([header]), keyless=False)
    assert caller == Caller("planner", Priority.HIGH)


@pytest.mark.parametrize(
    "headers",
    [[], [("authorization", "Bearer wrong")], [("authorization", "Basic x")], [("x-api-key", "")]],
)
def test_without_a_good_key_one_is_nobody_or_refused(headers: list[tuple[str, str]]) -> None:
    ring = Keyring(KEYS)
    assert ring.identify(Headers(headers), keyless=True) == Caller(KEYLESS)
    with pytest.raises(Unauthenticated):
        ring.identify(Headers(headers), keyless=False)


def test_an_empty_secret_opens_nothing() -> None:
    ring = Keyring([KEYS[0].model_copy(update={"secret": ""})])
    with pytest.raises(Unauthenticated):
        ring.identify(Headers([("x-api-key", "")]), keyless=False)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:10104", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "app.localhost"],
)
def test_hosts_that_mean_this_machine(host: str) -> None:
    check(Headers([("host", host), ("origin", f"http://{host}")]), {"127.0.0.1"})


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "192.168.1.5", "", "[", "127.0.0.1.evil"]
)
def test_hosts_that_do_not(host: str) -> None:
    with pytest.raises(Refused):
        check(Headers([("host", host)]), {"127.0.0.1"})


def test_a_request_without_a_host_is_refused() -> None:
    with pytest.raises(Refused):
        check(Headers(), {"127.0.0.1"})


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "file://"])
def test_pages_from_elsewhere_are_refused(origin: str) -> None:
    with pytest.raises(Refused, match="web pages"):
        check(Headers([("host", "localhost"), ("origin", origin)]), {"127.0.0.1"})


def test_the_address_that_is_listened_on_is_meant() -> None:
    check(Headers([("host", "192.168.1.5:10104")]), {"192.168.1.5"})
    check(Headers([("host", "192.168.1.5:10104")]), {"0.0.0.0"})
    with pytest.raises(Refused):
        check(Headers([("host", "rebound.example")]), {"0.0.0.0"})


async def test_a_page_from_elsewhere_reaches_nothing(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        for header in (("origin", "https://evil.example"), ("host", "evil.example")):
            reply = await house.post("/api/chat", CHAT, headers=[header])
            assert reply.status == 403
            assert reply.json["error"]["hint"]
        assert not fake.calls


async def test_unix_sockets_ask_for_no_origin(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        reply = await house.post(
            "/api/chat",
            CHAT,
            key=KEY,
            address=house.agents_address,
            headers=[("origin", "https://evil.example")],
        )
        assert reply.status == 200


@pytest.mark.parametrize(
    ("path", "speaks"), [("/v1/chat/completions", "openai"), ("/api/chat", "ollama")]
)
async def test_with_keys_required_only_keys_open(house: House, path: str, speaks: str) -> None:
    async with FakeBackend(Dialect(speaks)) as fake:
        await house.start(route(fake), keyless=False)
        refused = await house.post(path, CHAT)
        assert refused.status == 401
        error = refused.json["error"]
        assert "key" in (error if speaks == "ollama" else error["message"])
        assert (await house.get("/v1/models")).status == 401
        assert (await house.get("/api/tags", key="wrong")).status == 401
        assert (await house.post(path, CHAT, key=KEY)).status == 200
        assert (await house.get("/v1/models", key=KEY)).status == 200


async def test_instances_always_need_a_key(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake), keyless=True)
        at = house.agents_address
        assert (await house.post("/api/chat", CHAT)).status == 200
        assert (await house.post("/api/chat", CHAT, address=at)).status == 401
        assert (await house.get("/api/tags", address=at)).status == 401
        assert (await house.post("/api/chat", CHAT, key=KEY, address=at)).status == 200


async def test_the_gateways_own_api_is_on_its_own_socket_only(house: House) -> None:
    await house.start()
    for path in ("/stats", "/models", "/routes"):
        assert (await house.get(path, key=KEY)).status == 404
        assert (await house.get(path, key=KEY, address=house.agents_address)).status == 404


async def test_a_key_that_is_taken_back_opens_no_more(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake), keyless=False)
        assert (await house.post("/api/chat", CHAT, key=KEY)).status == 200
        await house.route(route(fake), keyless=False, keys=())
        assert (await house.post("/api/chat", CHAT, key=KEY)).status == 401
