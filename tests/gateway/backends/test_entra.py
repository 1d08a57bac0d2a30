"""Tokens of Microsoft Entra, from a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sutazai.fleet.errors import BadPeer, ConnectFailed, SutazaiError, Unavailable
from sutazai.fleet.serving import Entra
from sutazai.gateway.backends.entra import CALM, EARLY, EntraTokens
from sutazai.wire import Client, Response, json_response
from tests.gateway.backends.servers import EntraServer, VirtualTime

SECRET = "s3cret&=+"


@pytest.fixture
async def entra() -> AsyncIterator[EntraServer]:
    async with EntraServer() as server:
        yield server


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
def tokens(client: Client, entra: EntraServer, time: VirtualTime) -> EntraTokens:
    declared = Entra(tenant="my tenant", client="app", secret=SECRET, authority=entra.url)
    return EntraTokens(client, declared, time.wall)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def test_a_token_is_had_as_the_protocol_says(tokens: EntraTokens, entra: EntraServer) -> None:
    assert tokens.headers == ()
    await tokens.ensure()
    assert tokens.headers == bearer("token-1")
    assert entra.requests[0].raw_path == "/my%20tenant/oauth2/v2.0/token"
    assert entra.forms == [
        {
            "grant_type": ["client_credentials"],
            "client_id": ["app"],
            "client_secret": [SECRET],
            "scope": ["https://cognitiveservices.azure.com/.default"],
        }
    ]


async def test_it_is_kept_until_shortly_before_its_end(
    tokens: EntraTokens, time: VirtualTime
) -> None:
    await tokens.ensure()
    time.pass_(3599 - EARLY - 1)
    await tokens.ensure()
    assert tokens.headers == bearer("token-1")
    time.pass_(2)
    await tokens.ensure()
    assert tokens.headers == bearer("token-2")


async def test_a_token_ends_while_the_machine_sleeps(
    tokens: EntraTokens, time: VirtualTime
) -> None:
    await tokens.ensure()
    time.sleep(7200)
    await tokens.ensure()
    assert tokens.headers == bearer("token-2")


async def test_many_who_need_one_ask_once(tokens: EntraTokens, entra: EntraServer) -> None:
    entra.hold = asyncio.Event()
    asking = [asyncio.create_task(tokens.ensure()) for _ in range(20)]
    while not entra.forms:
        await asyncio.sleep(0.005)
    entra.hold.set()
    await asyncio.gather(*asking)
    assert entra.given == 1


async def test_a_refused_token_is_replaced_once_for_all_who_hold_it(
    tokens: EntraTokens, entra: EntraServer, time: VirtualTime
) -> None:
    await tokens.ensure()
    time.pass_(CALM)
    assert await asyncio.gather(*(tokens.renew() for _ in range(10))) == [True] * 10
    assert (entra.given, tokens.headers) == (2, bearer("token-2"))


async def test_no_new_token_is_told(
    tokens: EntraTokens, entra: EntraServer, time: VirtualTime
) -> None:
    await tokens.ensure()
    time.pass_(CALM)
    entra.failure = {"error": "invalid_client"}
    assert not await tokens.renew()
    assert not await tokens.renew(), "and it is not asked for again at once"
    assert len(entra.forms) == 2


async def test_a_wrong_secret_is_said_and_not_tried_all_the_time(
    tokens: EntraTokens, entra: EntraServer, time: VirtualTime
) -> None:
    entra.failure = {
        "error": "invalid_client",
        "error_description": "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1",
    }
    for _ in range(3):
        with pytest.raises(Unavailable, match="AADSTS7000215: Invalid client secret") as caught:
            await tokens.ensure()
        assert SECRET not in str(caught.value) and "Trace" not in str(caught.value)
    assert len(entra.forms) == 1
    time.pass_(CALM)
    entra.failure = None
    await tokens.ensure()
    assert tokens.headers == bearer("token-1")


async def test_while_the_old_token_is_good_trouble_with_a_new_one_hurts_nobody(
    tokens: EntraTokens, entra: EntraServer, time: VirtualTime
) -> None:
    await tokens.ensure()
    time.pass_(3599 - EARLY + 1)
    entra.failure = {"error": "temporarily_unavailable"}
    await tokens.ensure()
    assert tokens.headers == bearer("token-1")
    time.pass_(EARLY)
    with pytest.raises(Unavailable):
        await tokens.ensure()


@pytest.mark.parametrize(
    "answer",
    [
        json_response({"expires_in": 10}),
        json_response({"access_token": "x"}),
        json_response({"access_token": "x", "expires_in": "soon"}),
        json_response([]),
        Response(200, [], b"<html>"),
        Response(502, [], b"<html>"),
    ],
)
async def test_nonsense_is_no_token(
    tokens: EntraTokens, entra: EntraServer, answer: Response
) -> None:
    entra.whole = answer
    with pytest.raises(BadPeer):
        await tokens.ensure()
    assert tokens.headers == ()


@pytest.mark.parametrize("lasts", [3599, "3599", 3599.5])
async def test_the_seconds_may_be_any_number(
    tokens: EntraTokens, entra: EntraServer, lasts: Any
) -> None:
    entra.lasts = lasts
    await tokens.ensure()
    await tokens.ensure()
    assert entra.given == 1


async def test_nobody_there(tokens: EntraTokens, entra: EntraServer) -> None:
    await entra.stop()
    with pytest.raises(ConnectFailed):
        await tokens.ensure()
    with pytest.raises(SutazaiError):
        await tokens.ensure()
