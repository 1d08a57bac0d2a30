"""What tests of whole calls have in common: the calls, and streams that are read bit by bit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import Unavailable
from sutazai.wire import ClientResponse
from tests.gateway.house import House, Reply

OPENAI, OLLAMA = Dialect.OPENAI, Dialect.OLLAMA
PATH = {OPENAI: "/v1/chat/completions", OLLAMA: "/api/chat"}
TEXT = "Hello, wörld 🌍"


def chat(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {
        "model": "fake-7b",
        "messages": [{"role": "user", "content": text}],
        "stream": False,
        **more,
    }


def ask(
    house: House, body: dict[str, Any], speaks: Dialect = OPENAI, **more: Any
) -> asyncio.Task[Reply]:
    return asyncio.create_task(house.post(PATH[speaks], body, **more))


@asynccontextmanager
async def streamed(
    house: House,
    body: dict[str, Any],
    speaks: Dialect = OPENAI,
    *,
    headers: Iterable[tuple[str, str]] = (),
) -> AsyncIterator[ClientResponse]:
    """A streamed answer whose head is there."""
    response = await house.client.request(
        "POST",
        house.address,
        PATH[speaks],
        headers=[("content-type", "application/json"), *headers],
        body=json.dumps({**body, "stream": True}).encode(),
    )
    async with response:
        yield response


def error_of(reply: Reply) -> dict[str, Any]:
    """The error of an OpenAI answer."""
    found: dict[str, Any] = reply.json["error"]
    return found


def said(reply: Reply) -> str:
    """The text of an OpenAI answer, streamed or whole."""
    if not reply.headers["content-type"].startswith("text/event-stream"):
        return str(reply.json["choices"][0]["message"]["content"])
    choices = [
        each["choices"][0] for each in reply.events[:-1] if each != "[DONE]" and each["choices"]
    ]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def queued(house: House, number: int) -> None:
    await house.wait_for(lambda stats: sum(stats["queued"].values()) == number)


async def recorded(house: House, query: str, number: int) -> list[dict[str, Any]]:
    """What is on disk, of calls or dead letters, once that is so many."""
    async with asyncio.timeout(60):
        while True:
            try:
                rows: list[dict[str, Any]] = await house.api("GET", query)
            except Unavailable:  # the file is just being made
                rows = []
            if len(rows) >= number:
                return rows
            await asyncio.sleep(0.05)
