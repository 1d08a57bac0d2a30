"""The official OpenAI and Ollama clients, unchanged, against backends of both dialects."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import ollama
import openai
import pytest
from pydantic import BaseModel

from sutazai.fleet.declared import Dialect
from tests.gateway.fake_backend import TOOL_CALL, FakeBackend, Script
from tests.gateway.house import House, route


class Numbered(BaseModel):
    n: int


HI: list[Any] = [{"role": "user", "content": "hi"}]
TEXT = "Hello, wörld 🌍"
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "The weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


@pytest.fixture(params=list(Dialect))
async def fake(request: pytest.FixtureRequest, house: House) -> AsyncIterator[FakeBackend]:
    async with FakeBackend(request.param) as made:
        await house.start(route(made))
        yield made


@pytest.fixture
async def openai_client(fake: FakeBackend, house: House) -> AsyncIterator[openai.AsyncOpenAI]:
    base = f"{house.url}/v1"
    async with openai.AsyncOpenAI(base_url=base, api_key="anything", max_retries=0) as made:
        yield made


@pytest.fixture
async def ollama_client(fake: FakeBackend, house: House) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(host=house.url) as made:
        yield made


async def test_openai_chats(fake: FakeBackend, openai_client: openai.AsyncOpenAI) -> None:
    answer = await openai_client.chat.completions.create(model="fake-7b", messages=HI)
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None and answer.usage.total_tokens == 11


async def test_openai_streams(fake: FakeBackend, openai_client: openai.AsyncOpenAI) -> None:
    stream = await openai_client.chat.completions.create(
        model="fast", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    text, usage = "", None
    async for chunk in stream:
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    assert text == TEXT
    assert usage is not None and usage.completion_tokens == 4


async def test_openai_calls_tools(fake: FakeBackend, openai_client: openai.AsyncOpenAI) -> None:
    fake.script = Script(tokens=(), tool_calls=(TOOL_CALL,))
    answer = await openai_client.chat.completions.create(model="fast", messages=HI, tools=TOOLS)
    calls = answer.choices[0].message.tool_calls
    assert calls is not None and len(calls) == 1 and calls[0].type == "function"
    assert calls[0].function.name == "look_up" and calls[0].id
    assert answer.choices[0].finish_reason == "tool_calls"


async def test_openai_hears_tool_calls_in_a_stream(
    fake: FakeBackend, openai_client: openai.AsyncOpenAI
) -> None:
    fake.script = Script(tool_calls=(TOOL_CALL, TOOL_CALL))
    async with openai_client.chat.completions.stream(
        model="fast", messages=HI, tools=TOOLS
    ) as stream:
        answer = await stream.get_final_completion()
    message = answer.choices[0].message
    assert message.content == TEXT and message.tool_calls is not None
    assert len({call.id for call in message.tool_calls}) == 2
    for call in message.tool_calls:
        assert json.loads(call.function.arguments) == TOOL_CALL["arguments"]


async def test_openai_reads_probabilities(
    fake: FakeBackend, openai_client: openai.AsyncOpenAI
) -> None:
    answer = await openai_client.chat.completions.create(
        model="fast", messages=HI, logprobs=True, top_logprobs=2
    )
    told = answer.choices[0].logprobs
    assert told is not None and told.content is not None
    assert "".join(entry.token for entry in told.content) == TEXT
    assert [top.token for top in told.content[0].top_logprobs] == ["Hello", "?"]
    stream = await openai_client.chat.completions.create(
        model="fast", messages=HI, logprobs=True, stream=True
    )
    tokens = [
        entry.token
        async for chunk in stream
        for choice in chunk.choices
        for entry in (choice.logprobs and choice.logprobs.content) or ()
    ]
    assert "".join(tokens) == TEXT
    older = await openai_client.completions.create(model="fast", prompt="x", logprobs=2)
    offsets = older.choices[0].logprobs
    assert offsets is not None and offsets.tokens == ["Hello", ", ", "wörld", " 🌍"]


async def test_openai_parses_a_schema(fake: FakeBackend, openai_client: openai.AsyncOpenAI) -> None:
    fake.script = Script(tokens=('{"n":', " 1}"))
    answer = await openai_client.chat.completions.parse(
        model="fast", messages=HI, response_format=Numbered
    )
    assert answer.choices[0].message.parsed == Numbered(n=1)


async def test_openai_gets_responses(fake: FakeBackend, openai_client: openai.AsyncOpenAI) -> None:
    answer = await openai_client.responses.create(model="fake-7b", input="hi")
    assert answer.output_text == TEXT and answer.usage is not None
    assert answer.usage.total_tokens == 11
    async with openai_client.responses.stream(model="fake-7b", input="hi") as stream:
        kinds = [event.type async for event in stream]
    assert kinds.count("response.output_text.delta") == 4
    assert kinds[-1] == "response.completed"


async def test_openai_sees_trouble_in_a_response(
    fake: FakeBackend, openai_client: openai.AsyncOpenAI
) -> None:
    for trouble in (Script(error_after=2), Script(drop_after=2), Script(end_after=2)):
        fake.script = trouble
        stream = await openai_client.responses.create(model="fast", input="hi", stream=True)
        with pytest.raises(openai.APIError):
            async for _ in stream:
                pass
    fake.script = Script(status=429, retry_after=3)
    with pytest.raises(openai.RateLimitError, match="scripted trouble"):
        await openai_client.responses.create(model="fast", input="hi")


async def test_openai_completes_and_embeds(
    fake: FakeBackend, openai_client: openai.AsyncOpenAI
) -> None:
    answer = await openai_client.completions.create(model="fast", prompt="once")
    assert answer.choices[0].text == TEXT
    for encoding in ({}, {"encoding_format": "float"}):  # without one it asks for base64
        vectors = await openai_client.embeddings.create(
            model="fast",
            input=["a", "bb"],
            **encoding,  # type: ignore[arg-type]
        )
        assert [each.embedding for each in vectors.data] == [[1.0, 0.5], [2.0, 0.5]]


async def test_openai_lists_models(fake: FakeBackend, openai_client: openai.AsyncOpenAI) -> None:
    listed = [model.id async for model in openai_client.models.list()]
    assert set(listed) == {"fake-7b", "fake-70b", "fast", "standard", "complex"}
    assert (await openai_client.models.retrieve("fake-7b")).id == "fake-7b"


async def test_openai_sees_an_unknown_model(
    fake: FakeBackend, openai_client: openai.AsyncOpenAI
) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await openai_client.chat.completions.create(model="nope", messages=HI)
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


async def test_openai_sees_an_error_in_the_midst(
    fake: FakeBackend, openai_client: openai.AsyncOpenAI
) -> None:
    for trouble in (Script(error_after=2), Script(drop_after=2), Script(end_after=2)):
        fake.script = trouble
        stream = await openai_client.chat.completions.create(model="fast", messages=HI, stream=True)
        with pytest.raises(openai.APIError):
            async for _ in stream:
                pass


async def test_ollama_chats(fake: FakeBackend, ollama_client: ollama.AsyncClient) -> None:
    answer = await ollama_client.chat("fake-7b", HI)
    assert answer.message.content == TEXT
    assert (answer.done, answer.done_reason, answer.eval_count) == (True, "stop", 4)


async def test_ollama_streams(fake: FakeBackend, ollama_client: ollama.AsyncClient) -> None:
    parts = [part async for part in await ollama_client.chat("fast", HI, stream=True)]
    assert "".join(part.message.content or "" for part in parts) == TEXT
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].prompt_eval_count == 7


async def test_ollama_generates(fake: FakeBackend, ollama_client: ollama.AsyncClient) -> None:
    answer = await ollama_client.generate("fast", "once")
    assert answer.response == TEXT
    parts = [part async for part in await ollama_client.generate("fast", "once", stream=True)]
    assert "".join(part.response or "" for part in parts) == TEXT


async def test_ollama_calls_tools(fake: FakeBackend, ollama_client: ollama.AsyncClient) -> None:
    fake.script = Script(tokens=(), tool_calls=(TOOL_CALL,))
    for stream in (False, True):
        if stream:
            parts = [
                part
                async for part in await ollama_client.chat("fast", HI, tools=TOOLS, stream=True)
            ]
        else:
            parts = [await ollama_client.chat("fast", HI, tools=TOOLS)]
        (call,) = [call for part in parts for call in part.message.tool_calls or ()]
        assert call.function.name == "look_up"
        assert dict(call.function.arguments) == {"city": "Zürich"}


async def test_ollama_embeds(fake: FakeBackend, ollama_client: ollama.AsyncClient) -> None:
    answer = await ollama_client.embed("fast", ["a", "bb"])
    assert [list(vector) for vector in answer.embeddings] == [[1.0, 0.5], [2.0, 0.5]]
    older = await ollama_client.embeddings("fast", "abc")
    assert list(older.embedding) == [3.0, 0.5]


async def test_ollama_thinks(fake: FakeBackend, ollama_client: ollama.AsyncClient) -> None:
    fake.script = Script(thinking="hm")
    answer = await ollama_client.chat("fast", HI, think=True)
    assert (answer.message.thinking, answer.message.content) == ("hm", TEXT)
    parts = [part async for part in await ollama_client.chat("fast", HI, think="low", stream=True)]
    assert "".join(part.message.thinking or "" for part in parts) == "hm"
    asked = [each.get("think", each.get("reasoning_effort")) for each in fake.calls]
    assert asked == ([True, "low"] if fake.dialect is Dialect.OLLAMA else ["medium", "low"])


async def test_ollama_reads_probabilities(
    fake: FakeBackend, ollama_client: ollama.AsyncClient
) -> None:
    answer = await ollama_client.chat("fast", HI, logprobs=True, top_logprobs=2)
    assert answer.logprobs is not None
    assert "".join(entry.token for entry in answer.logprobs) == TEXT
    parts = await ollama_client.generate("fast", "once", logprobs=True, stream=True)
    tokens = [entry.token async for part in parts for entry in part.logprobs or ()]
    assert "".join(tokens) == TEXT


async def test_ollama_sends_images_and_wants_a_schema(
    fake: FakeBackend, ollama_client: ollama.AsyncClient
) -> None:
    picture = ollama.Image(value=b"\x89PNG\r\n")
    message = ollama.Message(role="user", content="what is it?", images=[picture])
    await ollama_client.chat("fast", [message], format=Numbered.model_json_schema())
    sent = json.dumps(fake.calls[0])
    assert "iVBORw" in sent
    assert '"title": "Numbered"' in sent


async def test_ollama_keeps_models_loaded(
    fake: FakeBackend, ollama_client: ollama.AsyncClient
) -> None:
    await ollama_client.generate("fake-7b", keep_alive="10m")
    sent = [(each["model"], each["keep_alive"]) for each in fake.calls]
    assert sent == ([("fake-7b", "10m")] if fake.dialect is Dialect.OLLAMA else [])


async def test_ollama_lists_and_shows(fake: FakeBackend, ollama_client: ollama.AsyncClient) -> None:
    listed = {model.model for model in (await ollama_client.list()).models}
    assert listed == {"fake-7b", "fake-70b", "fast", "standard", "complex"}
    assert (await ollama_client.show("fake-7b")).modelinfo is not None
    assert len((await ollama_client.ps()).models) == 2


async def test_ollama_sees_an_unknown_model(
    fake: FakeBackend, ollama_client: ollama.AsyncClient
) -> None:
    with pytest.raises(ollama.ResponseError) as caught:
        await ollama_client.chat("nope", HI)
    assert (caught.value.status_code, caught.value.error) == (404, "model 'nope' not found")


async def test_ollama_sees_an_error_in_the_midst(
    fake: FakeBackend, ollama_client: ollama.AsyncClient
) -> None:
    for trouble in (Script(error_after=2), Script(drop_after=2), Script(end_after=2)):
        fake.script = trouble
        with pytest.raises(ollama.ResponseError):
            async for _ in await ollama_client.chat("fast", HI, stream=True):
                pass
