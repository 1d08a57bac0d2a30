"""Who calls: keys and names, what they may use, what they may ask for, and who is held."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sutazai.fleet.places import Places
from sutazai.fleet.routes import Key
from sutazai.fleet.serving import Budget
from sutazai.wire import Client
from tests.gateway.asking import (
    OLLAMA,
    PATH,
    TEXT,
    ask,
    chat,
    error_of,
    queued,
    recorded,
    said,
)
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import KEY, KEYS, House, route

SECRET = "tenant-key"


def tenant(**more: Any) -> Key:
    return Key(name="tenant", secret=SECRET, **more)


def bounded(**budget: int) -> tuple[Key, ...]:
    return (tenant(budget=Budget(**budget)),)


# keys that change


async def test_a_key_counts_as_it_is_now_on_connections_that_used_it_before(house: House) -> None:
    async with FakeBackend() as fake:

        async def keys(*keys: Key) -> None:
            await house.route(route(fake), keys=keys, keyless=False)

        async def statuses() -> list[int]:
            """Of calls one after the other, on one connection: their heads are the same."""
            return [(await ask(house, chat(), key=SECRET)).status for _ in range(3)]

        await house.start(route(fake), keys=(tenant(),), keyless=False)
        assert await statuses() == [200, 200, 200]
        await keys()
        assert await statuses() == [401, 401, 401]
        await keys(*bounded(requests_per_minute=2))
        assert await statuses() == [200, 200, 429]


async def test_whoever_sends_another_key_on_the_same_connection_is_another(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake), keys=(tenant(), *KEYS), keyless=False)
        for key in (SECRET, KEY, "wrong") * 3:
            assert (await ask(house, chat(), key=key)).status == (401 if key == "wrong" else 200)
        calls = await recorded(house, "/calls", 9)
        assert [call["caller"] for call in calls].count("tenant") == 3
        assert [call["caller"] for call in calls].count("planner") == 3


# budgets


async def test_a_budget_that_is_spent_is_told_with_its_reset(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake), keys=bounded(requests_per_minute=2))
        first, second, third = [await ask(house, chat(), key=SECRET) for _ in range(3)]
        assert [reply.status for reply in (first, second, third)] == [200, 200, 429]
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        left = [reply.headers["x-ratelimit-remaining-requests"] for reply in (first, second, third)]
        assert left == ["1", "0", "0"]
        assert third.headers["x-ratelimit-reset-requests"][-1] == "s"
        assert 0 < int(third.headers["retry-after"]) <= 61
        assert "calls a minute" in error_of(third)["message"]
        assert len(fake.calls) == 2
        assert await recorded(house, "/calls?outcome=rejected", 1)
        assert await house.api("GET", "/dead") == []
        other = await ask(house, chat())
        assert other.status == 200
        assert not any(name.startswith("x-ratelimit") for name in other.headers)


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_count_against_a_budget(house: House, stream: bool) -> None:
    async with FakeBackend(OLLAMA) as fake:
        await house.start(route(fake), keys=bounded(tokens_per_minute=11))
        first = await house.post(PATH[OLLAMA], chat(stream=stream), key=SECRET)
        assert first.headers["x-ratelimit-limit-tokens"] == "11"
        second = await house.post(PATH[OLLAMA], chat(), key=SECRET)
        assert second.status == 429 and "tokens a minute" in second.json["error"]
        assert second.headers["x-ratelimit-remaining-tokens"] == "0"


async def test_the_tokens_of_a_day_outlive_a_restart(house: House) -> None:
    keys = bounded(tokens_per_day=11)
    async with FakeBackend() as fake:
        await house.start(route(fake), keys=keys)
        assert (await ask(house, chat(), key=SECRET)).status == 200
        await house.close()
        await house.start_as_kept()
        reply = await ask(house, chat(), key=SECRET)
        assert reply.status == 429 and "tokens a day" in error_of(reply)["message"]


async def test_calls_at_once_are_bounded_and_those_that_leave_count_no_more(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1), keys=bounded(concurrency=2))
        calls = [ask(house, chat(), key=SECRET) for _ in range(2)]
        await queued(house, 1)
        assert (await ask(house, chat(), key=SECRET)).status == 429
        for call in calls:
            call.cancel()
        await house.wait_for(lambda stats: stats["cancelled"] == 2)
        hold.set()
        assert (await ask(house, chat(), key=SECRET)).status == 200


@pytest.mark.parametrize("body", [b"{oops", b'{"model": "nope"}', b'{"model": 7}'])
async def test_what_is_refused_holds_no_place(house: House, body: bytes) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake), keys=bounded(concurrency=1))
        for _ in range(2):
            assert (await house.post(PATH[OLLAMA], body, key=SECRET)).status in (400, 404)
        assert (await ask(house, chat(), key=SECRET)).status == 200


# keys and names


async def test_a_key_may_stand_in_the_path(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake), keys=(tenant(),), keyless=False)
        for path in ("/key/tenant-key/v1/chat/completions", "/key/tenant%2Dkey/api/chat?x=1"):
            assert (await house.post(path, chat())).status == 200
        dummy = await house.post("/key/tenant-key/api/chat", chat(), key="sk-dummy")
        assert dummy.status == 200
        assert (await house.get("/key/tenant-key/v1/models")).status == 200
        refused = await house.post("/key/wrong/v1/chat/completions", chat())
        assert refused.status == 401 and "not known" in error_of(refused)["message"]
        rows = await recorded(house, "/calls?outcome=done", 3)
        assert {row["caller"] for row in rows} == {"tenant"}


async def test_callers_without_a_key_are_told_apart_by_the_names_they_give(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        await ask(house, chat(), headers=[("x-sutazai-agent", "lab")])
        await ask(house, chat(), headers=[("x-sutazai-agent", "not a name!")])
        await ask(house, chat())
        rows = await recorded(house, "/calls", 3)
        assert sorted(row["caller"] for row in rows) == ["@keyless", "@keyless", "@keyless:lab"]


async def test_a_key_opens_its_tiers_and_no_others(house: House) -> None:
    tiers = [{"name": "fast", "model": "fake-7b"}, {"name": "complex", "model": "fake-70b"}]
    async with FakeBackend() as fake:
        await house.start(
            route(fake),
            keys=(tenant(tiers=("fast",)),),
            tiers=tiers,
            aliases={"gpt-4o": "complex", "gpt-4o-mini": "fast"},
        )
        statuses = {
            name: (await ask(house, chat(model=name), key=SECRET)).status
            for name in ("fast", "fake-7b", "gpt-4o-mini", "complex", "fake-70b", "gpt-4o")
        }
        assert list(statuses.values()) == [200, 200, 200, 403, 403, 403]
        reply = await ask(house, chat(model="complex"), key=SECRET)
        assert "its key opens the tiers: fast" in error_of(reply)["message"]


async def test_a_fallback_that_the_key_does_not_open_is_not_used(house: House) -> None:
    tiers = [
        {"name": "fast", "model": "fake-7b", "backends": ["near"], "fallback": ["complex"]},
        {"name": "complex", "model": "fake-70b", "backends": ["far"]},
    ]
    async with FakeBackend(script=Script(status=500)) as near, FakeBackend() as far:
        backends = (route(near, "near"), route(far, "far"))
        await house.start(*backends, keys=(tenant(tiers=("fast",)),), tiers=tiers)
        assert (await ask(house, chat(model="fast"), key=SECRET)).status == 500
        assert not far.calls


# admins


CHOSEN = [("x-sutazai-backend", "other")]


async def test_an_admin_pulls(house: House) -> None:
    body = {"model": "new", "stream": False}
    async with FakeBackend(OLLAMA) as fake:
        await house.start(route(fake), keys=(Key(name="@a", secret="a", admin=True),))
        reply = await house.post("/api/pull", body, key="a")  # the fake has no such endpoint
        assert reply.status == 404 and reply.headers["x-sutazai-backend"] == "one"


async def test_models_are_managed_by_admins_only(house: House) -> None:
    body = {"model": "new", "stream": False}
    async with FakeBackend(OLLAMA) as fake:
        await house.start(route(fake), keys=(tenant(), Key(name="@a", secret="a", admin=True)))
        for key in (None, SECRET):
            reply = await house.post("/api/pull", body, key=key)
            assert reply.status == 403 and "only an admin" in reply.json["error"]
        assert (await house.post("/api/pull", body, key="a", headers=CHOSEN)).status == 503


# pause


AGENT = Key(name="agent", secret="agent-key", agent=True)


async def test_agents_are_held_also_after_a_restart_and_others_are_not(
    house: House, places: Places, client: Client
) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake), keys=(AGENT, tenant()))
        assert await house.api("POST", "/pause") == {"paused": True}
        held = ask(house, chat("held"), key="agent-key")
        await queued(house, 1)
        assert said(await ask(house, chat(), key=SECRET)) == TEXT
        held.cancel()
        await queued(house, 0)
        await house.close()
        again = House(places, client)
        await again.start_as_kept()
        try:
            assert (await again.stats())["paused"]
            held = ask(again, chat("again"), key="agent-key")
            await queued(again, 1)
            assert (await again.api("GET", "/queue"))["paused"]
            assert await again.api("POST", "/resume") == {"paused": False}
            assert said(await held) == TEXT
        finally:
            await again.close()
        assert [body["messages"][0]["content"] for body in fake.calls] == ["hi", "again"]


async def test_what_runs_when_agents_are_held_goes_on(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1), keys=(AGENT,))
        call = ask(house, chat(stream=True), key="agent-key")
        await until(lambda: fake.running)
        await house.api("POST", "/pause")
        hold.set()
        assert said(await call) == TEXT
