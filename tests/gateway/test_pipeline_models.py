"""Which model answers, with which context, and what is sent to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import Key, PinnedRoute, TierRoute, VersionRoute
from sutazai.fleet.serving import AutoRule, ContextPolicy
from tests.gateway.asking import OLLAMA, OPENAI, PATH, TEXT, ask, chat, error_of, recorded, said
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import House, route

LONG = "word " * 4000
PINS = {"fake-7b": PinnedRoute(context=1024, options={"num_gpu": 1}, keep_alive=1800)}
TIERS = (
    TierRoute(name="fast", model="fake-7b", fallback=("complex",)),
    TierRoute(name="complex", model="fake-70b"),
)


def key(policy: ContextPolicy) -> Key:
    return Key(name="tenant", secret="tenant-key", context=policy)


def turns(count: int) -> dict[str, Any]:
    """A chat of instructions and so many turns, each of about 100 tokens."""
    messages = [{"role": "system", "content": "be brief"}]
    for number in range(count):
        role = "assistant" if number % 2 else "user"
        messages.append({"role": role, "content": f"turn {number} " + "word " * 90})
    return {**chat(), "messages": messages}


# context


@pytest.mark.parametrize("speaks", [OPENAI, OLLAMA])
async def test_a_prompt_that_is_too_long_is_refused_and_not_cut(
    house: House, speaks: Dialect
) -> None:
    async with FakeBackend(OLLAMA) as fake:
        await house.start(route(fake, models=PINS))
        reply = await house.post(PATH[speaks], chat(LONG))
        assert reply.status == 400 and not fake.calls
        if speaks is OPENAI:
            assert error_of(reply)["code"] == "context_length_exceeded"
        assert "maximum context length is 1024 tokens" in str(reply.json["error"])
        assert (await house.stats())["rejected"] == 1


async def test_a_window_keeps_the_instructions_and_the_newest_turns(house: House) -> None:
    async with FakeBackend(OLLAMA) as fake:
        await house.start(route(fake, models=PINS), keys=(key(ContextPolicy.WINDOW),))
        reply = await ask(house, turns(41), key="tenant-key")
        assert reply.status == 200
        dropped = int(reply.headers["x-sutazai-context"].removeprefix("windowed; dropped="))
        sent = fake.calls[0]["messages"]
        assert sent[0]["content"] == "be brief"
        assert sent[-1]["content"].startswith("turn 40 ")
        assert len(sent) == 42 - dropped and dropped > 20
        short = await ask(house, turns(1), key="tenant-key")
        assert "x-sutazai-context" not in short.headers


async def test_a_long_prompt_goes_to_another_tier(house: House) -> None:
    pins = {**PINS, "fake-70b": PinnedRoute(context=32_768)}
    async with FakeBackend(OLLAMA) as fake:
        tenant = key(ContextPolicy.ANOTHER_TIER)
        await house.start(route(fake, models=pins), keys=(tenant,), tiers=TIERS)
        body = chat(LONG, model="fast")
        reply = await ask(house, body, key="tenant-key")
        assert reply.headers["x-sutazai-context"] == "another-tier"
        assert reply.headers["x-sutazai-tier"] == "complex"
        assert fake.calls[0]["model"] == "fake-70b"
        assert (await ask(house, body)).status == 400


# what is sent


async def test_no_caller_can_have_a_pinned_model_loaded_anew(house: House) -> None:
    async with FakeBackend(OLLAMA) as fake:
        await house.start(route(fake, models=PINS))
        options = {"num_ctx": 512, "num_gpu": 99, "temperature": 0.5}
        native = chat(options=options, keep_alive="1s")
        assert (await house.post(PATH[OLLAMA], native)).status == 200
        assert (await ask(house, chat(temperature=0.5))).status == 200
        for sent in fake.calls:
            assert sent["options"] == {"num_ctx": 1024, "num_gpu": 1, "temperature": 0.5}
            assert sent["keep_alive"] == "1800s"
        more = await house.post(PATH[OLLAMA], chat(options={"num_ctx": 4096}))
        assert more.status == 400 and "num_ctx 4096 is more" in more.json["error"]
        free = chat(model="fake-70b", options={"num_ctx": 512})
        await house.post(PATH[OLLAMA], free)
        assert fake.calls[-1]["options"] == {"num_ctx": 512}
        assert "keep_alive" not in fake.calls[-1]


async def test_a_smaller_context_of_the_callers_holds_as_a_limit(house: House) -> None:
    pins = {"fake-7b": PinnedRoute(context=32_768)}
    async with FakeBackend(OLLAMA) as fake:
        await house.start(route(fake, models=pins))
        body = chat("word " * 2000)
        assert (await house.post(PATH[OLLAMA], body)).status == 200
        reply = await house.post(PATH[OLLAMA], {**body, "options": {"num_ctx": 512}})
        assert reply.status == 400 and "512 tokens" in reply.json["error"]


# names


async def test_auto_says_why(house: House) -> None:
    rules = (
        AutoRule(tier="complex", words=("prove",)),
        AutoRule(tier="fast", shorter_than=100, tools=False),
    )
    async with FakeBackend() as fake:
        await house.start(route(fake), tiers=(*TIERS, TierRoute(name="standard")), auto=rules)
        for text, tier, reason in (
            ("please Prove it", "complex", "says 'prove'"),
            ("hi", "fast", "shorter than 100 characters, has no tools"),
            ("x" * 200, "standard", "no rule holds"),
        ):
            reply = await ask(house, chat(text, model="auto"))
            assert reply.headers["x-sutazai-tier"] == tier
            assert reply.headers["x-sutazai-reason"] == reason


async def test_aliases(house: House) -> None:
    aliases = {"gpt-4o": "complex", "mini": "fake-7b", "smart": "auto"}
    async with FakeBackend() as fake:
        tiers = (*TIERS, TierRoute(name="standard"))
        await house.start(route(fake), tiers=tiers, aliases=aliases)
        for alias, model in (("gpt-4o", "fake-70b"), ("mini", "fake-7b"), ("mini:latest", None)):
            reply = await ask(house, chat(model=alias))
            assert reply.status == 200
            assert fake.calls[-1]["model"] == (model or "fake-7b")
        assert "x-sutazai-reason" in (await ask(house, chat(model="smart"))).headers
        listed = (await house.get("/v1/models")).json["data"]
        assert {"gpt-4o", "mini"} <= {each["id"] for each in listed}


async def test_a_caller_stays_with_one_version_and_many_are_shared_out(house: House) -> None:
    versions = (
        VersionRoute(name="a", model="fake-7b"),
        VersionRoute(name="b", model="fake-70b"),
    )
    async with FakeBackend() as fake:
        await house.start(route(fake), tiers=(TierRoute(name="standard", versions=versions),))
        seen: dict[str, set[str]] = {}
        for number in range(36):
            name = f"lab{number % 12}"
            headers = [("x-sutazai-agent", name)]
            reply = await ask(house, chat(model="standard"), headers=headers)
            seen.setdefault(name, set()).add(reply.headers["x-sutazai-version"])
        assert {len(each) for each in seen.values()} == {1}
        assert set.union(*seen.values()) == {"a", "b"}
        rows = await recorded(house, "/calls", 36)
        assert {row["version"] for row in rows} == {"a", "b"}


async def test_a_version_that_fails_is_replaced_by_another(house: House) -> None:
    versions = (
        VersionRoute(name="a", model="fake-7b", backends=("near",)),
        VersionRoute(name="b", model="fake-70b", backends=("far",), weight=0),
    )
    async with FakeBackend(script=Script(status=500)) as near, FakeBackend() as far:
        tiers = (TierRoute(name="standard", versions=versions),)
        await house.start(route(near, "near"), route(far, "far"), tiers=tiers)
        reply = await ask(house, chat(model="standard"))
        assert (reply.status, reply.headers["x-sutazai-version"]) == (200, "b")


# the embedded server


@pytest.mark.parametrize("speaks", [OPENAI, OLLAMA])
async def test_whole_answers_of_the_embedded_server_are_gathered_from_a_stream(
    house: House, speaks: Dialect
) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake, embedded=True))
        reply = await house.post(PATH[speaks], chat())
        assert fake.calls[0]["stream"] is True
        assert TEXT in reply.data.decode() or json.dumps(TEXT)[1:-1] in reply.data.decode()
        if speaks is OPENAI:
            assert said(reply) == TEXT and reply.json["usage"]["completion_tokens"] == 4
        stats = await house.stats()
        assert (stats["tokens_in"], stats["tokens_out"]) == (7, 4)


async def test_its_slot_is_free_soon_after_a_client_of_a_whole_answer_left(house: House) -> None:
    async with FakeBackend(script=Script(hang_after=1)) as fake:
        await house.start(route(fake, embedded=True, slots=1))
        call = ask(house, chat())
        await until(lambda: fake.running)
        call.cancel()
        await until(lambda: fake.left == 1)
        fake.script = Script()
        assert said(await ask(house, chat())) == TEXT


# newer APIs


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
@pytest.mark.parametrize("stream", [False, True])
async def test_newer_apis_are_relayed_or_refused(house: House, path: str, stream: bool) -> None:
    body = chat("hi", input="hi", max_tokens=9, stream=stream)
    async with FakeBackend(OLLAMA) as able, FakeBackend(OLLAMA, further=False) as unable:
        await house.start(route(able))
        reply = await house.post(path, body)
        assert reply.status == 200 and able.seen[0].path == path
        assert "Hello" in reply.data.decode()
        stats = await house.stats()
        assert stats["tokens_out"] == 4
        await house.route(route(unable, "unable"))
        await house.wait_for(lambda stats: all(b["available"] for b in stats["backends"]))
        refused = await house.post(path, body)
        assert refused.status == 404
        assert "no backend for this model has" in refused.json["error"]["message"]
        assert not (await house.api("GET", "/backends"))[0]["breakers"]


async def test_headers_that_belong_to_the_body_go_where_it_is_relayed(house: House) -> None:
    told = [("anthropic-version", "2023-06-01"), ("anthropic-beta", "one,two"), ("x-other", "no")]
    async with FakeBackend(OLLAMA) as fake:
        await house.start(route(fake))
        for path in ("/v1/messages", "/v1/chat/completions"):
            assert (await house.post(path, chat(max_tokens=9), headers=told)).status == 200
        heads = [seen.headers for seen in fake.seen]
        assert [heads[0].get(name) for name, _ in told] == ["2023-06-01", "one,two", None]
        assert heads[1].get("anthropic-version") is None
