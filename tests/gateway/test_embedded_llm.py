"""Real answers: both official clients through the gateway to the embedded llama.cpp server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import ollama
import openai
import pytest

from sutazai.fleet.routes import BackendRoute
from tests.gateway.asking import ask, chat
from tests.gateway.house import House
from tests.gateway.llama import MODEL, needed

pytestmark = needed
HI: list[Any] = [{"role": "user", "content": "Say hello."}]
SCHEMA: dict[str, Any] = {"enum": ["yes", "no"]}


@pytest.fixture
async def served(house: House, embedded_llm: BackendRoute) -> House:
    await house.start(embedded_llm)
    return house


@pytest.fixture
async def openai_client(served: House) -> AsyncIterator[openai.AsyncOpenAI]:
    base = f"{served.url}/v1"
    async with openai.AsyncOpenAI(base_url=base, api_key="anything", max_retries=0) as made:
        yield made


@pytest.fixture
async def ollama_client(served: House) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(host=served.url) as made:
        yield made


async def test_openai_chats(openai_client: openai.AsyncOpenAI, served: House) -> None:
    answer = await openai_client.chat.completions.create(
        model=MODEL, messages=HI, max_tokens=3, temperature=0
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None and answer.usage.completion_tokens <= 3
    stream = await openai_client.chat.completions.create(
        model="fast", messages=HI, max_tokens=3, temperature=0, stream=True
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == answer.choices[0].message.content
    stats = await served.stats()
    assert stats["done"] == 2 and stats["tokens_out"] == 6 and stats["tokens_in"] > 20


async def test_queued_streams_follow_each_other_though_the_server_closes_behind_each(
    served: House, caplog: pytest.LogCaptureFixture
) -> None:
    """llama.cpp does not say so: the connection looks as if it could be used again."""
    with caplog.at_level("INFO"):
        calls = [
            ask(served, chat(f"Count to {each}.", model=MODEL, max_tokens=3, stream=True))
            for each in range(8)
        ]
        replies = await asyncio.gather(*calls)
    assert [reply.status for reply in replies] == [200] * 8
    assert "is not available" not in caplog.text


async def test_ollama_chats(ollama_client: ollama.AsyncClient) -> None:
    options = {"temperature": 0, "num_predict": 3}
    answer = await ollama_client.chat(MODEL, HI, options=options)
    assert answer.message.content and answer.eval_count == 3
    assert answer.done_reason == "length" and answer.eval_duration
    parts = [
        part async for part in await ollama_client.chat("fast", HI, stream=True, options=options)
    ]
    assert "".join(part.message.content or "" for part in parts) == answer.message.content
    assert parts[-1].done and parts[-1].eval_count == 3
    generated = await ollama_client.generate(MODEL, "Say hello.", options=options)
    assert generated.response


async def test_a_schema_holds_in_both_dialects(
    openai_client: openai.AsyncOpenAI, ollama_client: ollama.AsyncClient
) -> None:
    shape: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
    answer = await openai_client.chat.completions.create(
        model=MODEL, messages=HI, temperature=0, max_tokens=60, response_format=shape
    )
    assert json.loads(answer.choices[0].message.content or "") in ("yes", "no")
    options = {"temperature": 0, "num_predict": 60}
    said = await ollama_client.chat(MODEL, HI, format=SCHEMA, options=options)
    assert json.loads(said.message.content or "") in ("yes", "no")


async def test_the_same_words_whichever_way_they_are_asked_for(
    openai_client: openai.AsyncOpenAI, ollama_client: ollama.AsyncClient, served: House
) -> None:
    """One answer, in both dialects and both newer APIs, streamed and not."""
    chat = await openai_client.chat.completions.create(
        model=MODEL, messages=HI, max_tokens=6, temperature=0
    )
    text, usage = chat.choices[0].message.content, chat.usage
    assert text and usage is not None
    options = {"temperature": 0, "num_predict": 6}
    said = await ollama_client.chat(MODEL, HI, options=options)
    assert said.message.content == text
    assert (said.prompt_eval_count, said.eval_count) == (usage.prompt_tokens, 6)
    for path, body in (
        ("/v1/responses", {"input": HI, "max_output_tokens": 6}),
        ("/v1/messages", {"messages": HI, "max_tokens": 6}),
    ):
        asked = {"model": MODEL, "temperature": 0, **body}
        whole = (await served.post(path, asked)).json
        content = whole["output"][0]["content"] if "output" in whole else whole["content"]
        assert content[0]["text"] == text
        streamed = await served.post(path, {**asked, "stream": True})
        data = [line[6:] for line in streamed.data.splitlines() if line.startswith(b"data: ")]
        assert "".join(_piece(json.loads(each)) for each in data) == text
    counted = await served.post("/v1/messages/count_tokens", {"model": MODEL, "messages": HI})
    assert counted.json == {"input_tokens": usage.prompt_tokens}
    stats = await served.stats()
    assert (stats["done"], stats["failed"], stats["tokens_out"]) == (7, 0, 36)


def _piece(event: dict[str, Any]) -> str:
    if event["type"] == "response.output_text.delta":
        return str(event["delta"])
    return str(event["delta"]["text"]) if event["type"] == "content_block_delta" else ""


async def test_probabilities_in_both_dialects(
    openai_client: openai.AsyncOpenAI, ollama_client: ollama.AsyncClient
) -> None:
    answer = await openai_client.chat.completions.create(
        model=MODEL, messages=HI, max_tokens=3, temperature=0, logprobs=True, top_logprobs=2
    )
    told = answer.choices[0].logprobs
    assert told is not None and told.content is not None
    expected = [entry.token for entry in told.content]
    assert "".join(expected) == answer.choices[0].message.content
    options = {"temperature": 0, "num_predict": 3}
    stream = await ollama_client.chat(
        MODEL, HI, stream=True, options=options, logprobs=True, top_logprobs=2
    )
    heard = [entry async for part in stream for entry in part.logprobs or ()]
    assert [entry.token for entry in heard] == expected
    assert all(entry.top_logprobs and len(entry.top_logprobs) == 2 for entry in heard)
    raw = await ollama_client.generate(MODEL, "Once", raw=True, options=options, logprobs=True)
    assert raw.logprobs is not None and len(raw.logprobs) == 3
    assert "".join(entry.token for entry in raw.logprobs) == raw.response


async def test_both_list_the_model(
    openai_client: openai.AsyncOpenAI, ollama_client: ollama.AsyncClient
) -> None:
    assert MODEL in [model.id async for model in openai_client.models.list()]
    (model,) = [one for one in (await ollama_client.list()).models if one.model == MODEL]
    assert model.size and model.details and model.details.parameter_size == "135M"
    assert (await ollama_client.show(MODEL)).modelinfo


async def test_both_see_an_unknown_model(
    openai_client: openai.AsyncOpenAI, ollama_client: ollama.AsyncClient
) -> None:
    with pytest.raises(openai.NotFoundError, match="nope"):
        await openai_client.chat.completions.create(model="nope", messages=HI)
    with pytest.raises(ollama.ResponseError, match="'nope' not found"):
        await ollama_client.chat("nope", HI)


async def test_what_the_server_refuses_is_told(openai_client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await openai_client.embeddings.create(model=MODEL, input="x")
    assert caught.value.status_code == 501
    assert "embeddings" in str(caught.value)


async def test_a_client_that_leaves_frees_the_slot(
    openai_client: openai.AsyncOpenAI, served: House
) -> None:
    stream = await openai_client.chat.completions.create(
        model=MODEL, messages=HI, max_tokens=2000, stream=True
    )
    await anext(aiter(stream))
    await stream.close()
    # The slot is busy until the server has really stopped, long before it would have ended.
    async with asyncio.timeout(10):
        await served.wait_for(lambda stats: stats["cancelled"] and not stats["running"])
    async with asyncio.timeout(60):
        await openai_client.chat.completions.create(model=MODEL, messages=HI, max_tokens=1)
