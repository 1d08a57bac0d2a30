"""LLM calls through the gateway, in all four combinations of dialects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from tests.gateway.fake_backend import TOOL_CALL, FakeBackend, Script
from tests.gateway.house import House, Reply, route

OPENAI, OLLAMA = Dialect.OPENAI, Dialect.OLLAMA
COMBINATIONS = [(client, backend) for client in Dialect for backend in Dialect]
HI = [{"role": "user", "content": "hi"}]
TEXT = "Hello, wörld 🌍"
CHAT = {OPENAI: "/v1/chat/completions", OLLAMA: "/api/chat"}
COMPLETE = {OPENAI: "/v1/completions", OLLAMA: "/api/generate"}

pytestmark = pytest.mark.parametrize(("speaks", "backend"), COMBINATIONS)


def text_of(speaks: Dialect, reply: Reply, *, stream: bool) -> str:
    """The answer's text, as a client of the dialect reads it."""
    if speaks is OLLAMA:
        objects = reply.lines if stream else [reply.json]
        return "".join(
            each["message"]["content"] if "message" in each else each["response"]
            for each in objects
        )
    if not stream:
        choice = reply.json["choices"][0]
        return str(choice["message"]["content"] if "message" in choice else choice["text"])
    choices = [each["choices"][0] for each in reply.events[:-1] if each["choices"]]
    return "".join(
        choice["delta"].get("content") or "" if "delta" in choice else choice["text"]
        for choice in choices
    )


def error_of(speaks: Dialect, value: Any) -> str:
    return str(value["error"] if speaks is OLLAMA else value["error"]["message"])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat(house: House, speaks: Dialect, backend: Dialect, stream: bool) -> None:
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        body = {"model": "fake-7b", "messages": HI, "stream": stream}
        reply = await house.post(CHAT[speaks], body)
        assert reply.status == 200
        assert text_of(speaks, reply, stream=stream) == TEXT
        assert reply.headers["x-sutazai-backend"] == "one"
        assert "x-sutazai-queue-ms" in reply.headers
        (sent,) = fake.calls
        assert (sent["model"], sent["messages"], sent["stream"]) == ("fake-7b", HI, stream)
        stats = await house.stats()
        assert stats["done"] == 1 and stats["running"] == 0
        # Nobody asked for the usage of a relayed OpenAI stream: its frames are counted.
        relayed = speaks is backend is OPENAI and stream
        assert (stats["tokens_in"], stats["tokens_out"]) == ((0, 4) if relayed else (7, 4))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_completion(house: House, speaks: Dialect, backend: Dialect, stream: bool) -> None:
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        body = {"model": "fake-7b", "prompt": "once", "stream": stream}
        reply = await house.post(COMPLETE[speaks], body)
        assert text_of(speaks, reply, stream=stream) == TEXT
        if speaks is OLLAMA:
            assert (reply.lines[-1] if stream else reply.json)["done_reason"] == "stop"
        # Ollama's generate puts the model's template round the prompt: a chat, for others.
        expected = CHAT[backend] if (speaks, backend) == (OLLAMA, OPENAI) else COMPLETE[backend]
        assert fake.seen[0].path == expected


async def test_embeddings(house: House, speaks: Dialect, backend: Dialect) -> None:
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        path = {OPENAI: "/v1/embeddings", OLLAMA: "/api/embed"}[speaks]
        reply = await house.post(path, {"model": "fake-7b", "input": ["a", "bcd"]})
        vectors = (
            reply.json["embeddings"]
            if speaks is OLLAMA
            else [each["embedding"] for each in reply.json["data"]]
        )
        assert vectors == [[1.0, 0.5], [3.0, 0.5]]
        assert (await house.stats())["tokens_in"] == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_calls(house: House, speaks: Dialect, backend: Dialect, stream: bool) -> None:
    script = Script(tokens=(), tool_calls=(TOOL_CALL, TOOL_CALL))
    async with FakeBackend(backend, script=script) as fake:
        await house.start(route(fake))
        tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
        body = {"model": "fake-7b", "messages": HI, "tools": tools, "stream": stream}
        reply = await house.post(CHAT[speaks], body)
        assert fake.calls[0]["tools"] == tools
        assert tool_calls_of(speaks, reply, stream=stream) == [TOOL_CALL, TOOL_CALL]


def tool_calls_of(speaks: Dialect, reply: Reply, *, stream: bool) -> list[dict[str, Any]]:
    if speaks is OLLAMA:
        objects = reply.lines if stream else [reply.json]
        return [
            {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
            for each in objects
            for call in each["message"].get("tool_calls", ())
        ]
    choices = [each["choices"][0] for each in reply.events[:-1]] if stream else []
    if not stream:
        choices = reply.json["choices"]
    assert choices[-1]["finish_reason"] == "tool_calls"
    collected: dict[int, dict[str, str]] = {}
    for choice in choices:
        message = choice.get("delta") or choice.get("message") or {}
        for position, call in enumerate(message.get("tool_calls") or ()):
            made = collected.setdefault(call.get("index", position), {"name": "", "arguments": ""})
            made["name"] += call["function"].get("name", "")
            made["arguments"] += call["function"].get("arguments", "")
    return [
        {"name": each["name"], "arguments": json.loads(each["arguments"])}
        for each in collected.values()
    ]


async def test_the_length_reason_and_thinking_cross(
    house: House, speaks: Dialect, backend: Dialect
) -> None:
    script = Script(thinking="hm", reason="length")
    async with FakeBackend(backend, script=script) as fake:
        await house.start(route(fake))
        body = {"model": "fake-7b", "messages": HI, "stream": False}
        answer = (await house.post(CHAT[speaks], body)).json
        if speaks is OLLAMA:
            assert answer["done_reason"] == "length"
            thought = answer["message"].get("thinking") or answer["message"]["reasoning_content"]
        else:
            assert answer["choices"][0]["finish_reason"] == "length"
            thought = answer["choices"][0]["message"]["reasoning_content"]
        assert thought == "hm"


async def test_fields_nobody_knows_pass_in_the_same_dialect(
    house: House, speaks: Dialect, backend: Dialect
) -> None:
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        body = {"model": "fake-7b", "messages": HI, "stream": False, "brand_new": {"a": 1}}
        await house.post(CHAT[speaks], body)
        assert fake.calls[0].get("brand_new") == ({"a": 1} if speaks is backend else None)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_status_comes_in_the_clients_shape(
    house: House, speaks: Dialect, backend: Dialect, stream: bool
) -> None:
    async with FakeBackend(backend, script=Script(status=500)) as fake:
        await house.start(route(fake))
        reply = await house.post(
            CHAT[speaks], {"model": "fake-7b", "messages": HI, "stream": stream}
        )
        assert reply.status == 500
        assert error_of(speaks, reply.json) == "scripted trouble"
        assert (await house.stats())["failed"] == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Script(error_after=0),
        Script(drop_after=0),
        Script(end_after=0),
        Script(nonsense_after=0),
    ],
    ids=["error", "drop", "end", "nonsense"],
)
async def test_trouble_before_the_first_word_is_a_proper_error(
    house: House, speaks: Dialect, backend: Dialect, trouble: Script
) -> None:
    async with FakeBackend(backend, script=trouble) as fake:
        await house.start(route(fake))
        reply = await house.post(CHAT[speaks], {"model": "fake-7b", "messages": HI, "stream": True})
        assert reply.status == 502
        assert error_of(speaks, reply.json)
        assert (await house.wait_for(lambda stats: stats["failed"]))["running"] == 0


@pytest.mark.parametrize(
    "trouble",
    [
        Script(error_after=2),
        Script(drop_after=2),
        Script(end_after=2),
        Script(nonsense_after=2),
        Script(drop_after=2, cut=3),
        Script(error_after=2, cut=3),
    ],
    ids=["error", "drop", "end", "nonsense", "drop-in-a-frame", "error-in-pieces"],
)
async def test_trouble_in_the_midst_ends_the_stream_with_an_error(
    house: House, speaks: Dialect, backend: Dialect, trouble: Script
) -> None:
    async with FakeBackend(backend, script=trouble) as fake:
        await house.start(route(fake))
        reply = await house.post(CHAT[speaks], {"model": "fake-7b", "messages": HI, "stream": True})
        assert reply.status == 200
        frames = reply.lines if speaks is OLLAMA else reply.events
        assert error_of(speaks, frames[-1])
        assert not any(
            each == "[DONE]" or (isinstance(each, dict) and each.get("done")) for each in frames
        )
        assert (await house.wait_for(lambda stats: stats["failed"]))["running"] == 0


@pytest.mark.parametrize("whole", [b"", b"{}", b"{oops", b"[]", b'{"error": "quota"}', b"<html>"])
async def test_an_answer_that_is_none_is_never_a_success(
    house: House, speaks: Dialect, backend: Dialect, whole: bytes
) -> None:
    async with FakeBackend(backend, script=Script(whole=whole)) as fake:
        await house.start(route(fake))
        reply = await house.post(
            CHAT[speaks], {"model": "fake-7b", "messages": HI, "stream": False}
        )
        assert reply.status == 502
        assert error_of(speaks, reply.json)


async def test_a_stream_in_tiny_pieces_is_the_same(
    house: House, speaks: Dialect, backend: Dialect
) -> None:
    async with FakeBackend(backend, script=Script(cut=1)) as fake:
        await house.start(route(fake))
        reply = await house.post(CHAT[speaks], {"model": "fake-7b", "messages": HI, "stream": True})
        assert text_of(speaks, reply, stream=True) == TEXT


async def test_the_default_of_stream_is_the_clients(
    house: House, speaks: Dialect, backend: Dialect
) -> None:
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        reply = await house.post(CHAT[speaks], {"model": "fake-7b", "messages": HI})
        assert text_of(speaks, reply, stream=speaks is OLLAMA) == TEXT


@pytest.mark.parametrize(
    ("asked", "sent", "tier"),
    [
        ("fast", "fake-7b", "fast"),
        ("complex", "fake-70b", "complex"),
        ("fast:latest", "fake-7b", "fast"),
        ("default", "fake-7b", "standard"),
        (None, "fake-7b", "standard"),
        ("fake-70b", "fake-70b", None),
        ("fake-70b:latest", "fake-70b", None),
    ],
)
async def test_names_of_tiers_and_models(
    house: House,
    speaks: Dialect,
    backend: Dialect,
    asked: str | None,
    sent: str,
    tier: str | None,
) -> None:
    async with FakeBackend(backend) as fake:
        tiers = [{"name": "fast"}, {"name": "standard"}, {"name": "complex", "model": "fake-70b"}]
        await house.start(route(fake), tiers=tiers)
        body: dict[str, Any] = {"messages": HI, "stream": False}
        reply = await house.post(CHAT[speaks], body if asked is None else {**body, "model": asked})
        assert reply.status == 200
        assert fake.calls[0]["model"] == sent
        assert reply.headers.get("x-sutazai-tier") == tier


async def test_an_unknown_model(house: House, speaks: Dialect, backend: Dialect) -> None:
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        reply = await house.post(CHAT[speaks], {"model": "nope", "messages": HI})
        assert reply.status == 404
        if speaks is OLLAMA:
            assert reply.json == {"error": "model 'nope' not found"}
        else:
            assert reply.json["error"]["code"] == "model_not_found"
        assert (await house.stats())["rejected"] == 1 and not fake.calls


@pytest.mark.parametrize("body", [b"", b"{oops", b"[]", b'{"model": 7}', b'{"stream": "maybe"}'])
async def test_a_body_that_means_nothing(
    house: House, speaks: Dialect, backend: Dialect, body: bytes
) -> None:
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        reply = await house.post(CHAT[speaks], body)
        assert reply.status == 400
        assert error_of(speaks, reply.json)


async def test_half_a_surrogate_pair_harms_nobody(
    house: House, speaks: Dialect, backend: Dialect
) -> None:
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        body = b'{"model": "fast", "messages": [{"role": "user", "content": "\\ud83c"}]}'
        assert (await house.post(CHAT[speaks], body)).status == 200
        assert (await house.post(CHAT[speaks], b'{"model": "\\ud83c"}')).status == 404
