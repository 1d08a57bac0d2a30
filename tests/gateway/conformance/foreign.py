"""LiteLLM's client and LangChain's chat models, in a process of their own.

They are slow to import and loose with warnings. ``python -m tests.gateway.conformance.foreign``
takes a JSON object a line (`Job`) and gives one back: what the client made of the answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import litellm
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr


@dataclass(frozen=True)
class Job:
    """``client`` asks the gateway at ``url``; ``more`` goes to it as it is."""

    client: str
    url: str
    messages: list[dict[str, Any]]
    model: str = "fake-7b"
    stream: bool = False
    texts: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class Heard:
    """What a client heard; ``error`` has the names of its class and what it is a kind of."""

    text: str = ""
    thinking: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish: str = ""
    usage: list[int] = field(default_factory=list)
    logprobs: list[str] = field(default_factory=list)
    pieces: int = 0
    vectors: list[list[float]] = field(default_factory=list)
    error: str = ""
    message: str = ""


# LiteLLM


def lite(prefix: str, base: str = "") -> Callable[[Job], Heard]:
    def ask(job: Job) -> Heard:
        options = {"stream_options": {"include_usage": True}} if job.stream else {}
        answer: Any = litellm.completion(
            model=f"{prefix}/{job.model}",
            api_base=job.url + base,
            api_key="anything",
            messages=job.messages,
            stream=job.stream,
            num_retries=0,
            max_retries=0,
            **options,
            **job.more,
        )
        if not job.stream:
            return _lite_heard(answer, 1)
        chunks = list(answer)
        return _lite_heard(litellm.stream_chunk_builder(chunks), len(chunks))

    return ask


def _lite_heard(answer: Any, pieces: int) -> Heard:
    (choice,) = answer.choices
    message, usage = choice.message, answer.usage
    told = getattr(choice, "logprobs", None)
    return Heard(
        text=message.content or "",
        thinking=getattr(message, "reasoning_content", None) or "",
        tool_calls=[
            {"name": call.function.name, "arguments": json.loads(call.function.arguments)}
            for call in message.tool_calls or ()
        ],
        finish=choice.finish_reason,
        usage=[usage.prompt_tokens, usage.completion_tokens],
        logprobs=[entry.token for entry in told.content] if told else [],
        pieces=pieces,
    )


def lite_responses(job: Job) -> Heard:
    answer: Any = litellm.responses(
        model=f"openai/{job.model}",
        api_base=job.url + "/v1",
        api_key="anything",
        input=job.messages[-1]["content"],
        stream=job.stream,
        **job.more,
    )
    events = list(answer) if job.stream else []
    whole = events[-1].response if job.stream else answer
    text = "".join(part.text for item in whole.output for part in item.content)
    usage = [whole.usage.input_tokens, whole.usage.output_tokens]
    return Heard(text=text, finish=whole.status, usage=usage, pieces=len(events))


def lite_embedding(prefix: str, base: str = "") -> Callable[[Job], Heard]:
    def ask(job: Job) -> Heard:
        answer = litellm.embedding(
            model=f"{prefix}/{job.model}",
            api_base=job.url + base,
            api_key="anything",
            input=job.texts,
            **job.more,
        )
        return Heard(vectors=[each["embedding"] for each in answer.data])

    return ask


# LangChain


def chain(make: Callable[[Job], Any]) -> Callable[[Job], Heard]:
    def ask(job: Job) -> Heard:
        model, tools = make(job), job.more.get("tools")
        runs = model.bind_tools(tools) if tools else model
        if not job.stream:
            return _chain_heard(runs.invoke(job.messages), 1)
        chunks = list(runs.stream(job.messages))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        return _chain_heard(whole, len(chunks))

    return ask


def chain_async(make: Callable[[Job], Any]) -> Callable[[Job], Heard]:
    """The same models, asked in the other way."""

    async def ask(job: Job) -> Heard:
        model = make(job)
        if not job.stream:
            return _chain_heard(await model.ainvoke(job.messages), 1)
        chunks = [chunk async for chunk in model.astream(job.messages)]
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        return _chain_heard(whole, len(chunks))

    return lambda job: asyncio.run(ask(job))


def _chain_heard(message: Any, pieces: int) -> Heard:
    usage, said = message.usage_metadata or {}, message.response_metadata
    told = said.get("logprobs") or {}
    return Heard(
        text=message.text,
        thinking=message.additional_kwargs.get("reasoning_content") or "",
        tool_calls=[
            {"name": call["name"], "arguments": call["args"]} for call in message.tool_calls
        ],
        finish=said.get("finish_reason") or said.get("done_reason") or "",
        usage=[usage.get("input_tokens", 0), usage.get("output_tokens", 0)],
        logprobs=[entry["token"] for entry in told.get("content") or ()],
        pieces=pieces,
    )


def chat_openai(job: Job) -> ChatOpenAI:
    more = {name: value for name, value in job.more.items() if name != "tools"}
    return ChatOpenAI(
        model=job.model,
        base_url=job.url + "/v1",
        api_key=SecretStr("anything"),
        max_retries=0,
        stream_usage=True,
        **more,
    )


def chat_ollama(job: Job) -> ChatOllama:
    more = {name: value for name, value in job.more.items() if name != "tools"}
    return ChatOllama(model=job.model, base_url=job.url, **more)


def chain_embedding(make: Callable[[Job], Any]) -> Callable[[Job], Heard]:
    return lambda job: Heard(vectors=make(job).embed_documents(job.texts))


def _openai_embeddings(job: Job) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(
        model=job.model,
        openai_api_base=job.url + "/v1",
        openai_api_key=SecretStr("anything"),
        check_embedding_ctx_length=False,  # else it sends tokens of a model that we do not have
    )


CLIENTS: dict[str, Callable[[Job], Heard]] = {
    "litellm-openai": lite("openai", "/v1"),
    "litellm-ollama": lite("ollama_chat"),
    "litellm-generate": lite("ollama"),
    "litellm-anthropic": lite("anthropic"),
    "litellm-responses": lite_responses,
    "litellm-openai-embedding": lite_embedding("openai", "/v1"),
    "litellm-ollama-embedding": lite_embedding("ollama"),
    "langchain-openai": chain(chat_openai),
    "langchain-ollama": chain(chat_ollama),
    "langchain-openai-async": chain_async(chat_openai),
    "langchain-ollama-async": chain_async(chat_ollama),
    "langchain-openai-embedding": chain_embedding(_openai_embeddings),
    "langchain-ollama-embedding": chain_embedding(
        lambda job: OllamaEmbeddings(model=job.model, base_url=job.url)
    ),
}


def main() -> None:
    litellm.suppress_debug_info = True
    answers, sys.stdout = sys.stdout, sys.stderr  # they print, too
    for line in sys.stdin:
        job = Job(**json.loads(line))
        try:
            heard = CLIENTS[job.client](job)
        except Exception as error:  # noqa: BLE001 (it is the answer)
            kinds = [kind.__name__ for kind in type(error).__mro__]
            heard = Heard(error=" ".join(kinds), message=str(error))
        print(json.dumps(asdict(heard)), file=answers, flush=True)


if __name__ == "__main__":
    main()
