"""Asks one server all there is to ask at once, and counts what is answered in a time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.prompted.agents import ANSWER_TOKENS, Request
from sutazai.wire import Address, Client, ClientLimits, Timeout

PATH = "/v1/chat/completions"
_DATA = b"data: "
_LEAST = 5  # answers without which there is no telling how many a minute there are
_PATIENCE = Timeout(connect=60.0, headers=None, idle=None)
_LIMITS = ClientLimits(connections=4096, idle_connections=0)


class WrongAnswer(Exception):
    """The server did not answer as it was asked to."""


@dataclass(frozen=True)
class Answer:
    """``at`` is a time of the monotonic clock; tokens are of the prompt."""

    at: float
    agent: str
    evaluated: int
    cached: int


@dataclass
class Tally:
    """Answers in the order of their ends."""

    answers: list[Answer] = field(default_factory=list)

    @property
    def per_minute(self) -> float:
        """From the first one's end, which leaves out the start of all."""
        first, last = self.answers[0].at, self.answers[-1].at
        return 60 * (len(self.answers) - 1) / (last - first)

    @property
    def evaluated(self) -> int:
        return sum(answer.evaluated for answer in self.answers)

    @property
    def cached(self) -> int:
        return sum(answer.cached for answer in self.answers)

    @property
    def agents(self) -> int:
        """How many of the agents had an answer."""
        return len({answer.agent for answer in self.answers})


async def ask_one_by_one(address: Address, requests: Sequence[Request], *, at_once: int) -> None:
    """All of them to the end, ``at_once`` at any time."""
    places = asyncio.Semaphore(at_once)

    async def ask_in_turn(client: Client, request: Request) -> None:
        async with places:
            await _ask(client, address, request)

    async with Client(_LIMITS) as client, asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(ask_in_turn(client, request))


async def ask_all(address: Address, requests: Sequence[Request], *, seconds: float) -> Tally:
    """What is answered of ``requests`` within ``seconds`` when all are sent at once, in their
    order; the others are given up."""
    tally = Tally()

    async def ask(client: Client, request: Request) -> None:
        answer = await _ask(client, address, request, tokens=ANSWER_TOKENS)
        tally.answers.append(answer)

    async with Client(_LIMITS) as client:
        tasks = [asyncio.create_task(ask(client, request)) for request in requests]
        done, open_ = await asyncio.wait(
            tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        for task in open_:
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)
        for task in done:
            task.result()
    if len(tally.answers) < _LEAST:
        raise WrongAnswer(f"{len(tally.answers)} answers in {seconds:g} s tell no rate: take more")
    return tally


async def _ask(
    client: Client, address: Address, request: Request, *, tokens: int | None = None
) -> Answer:
    """Raises WrongAnswer, and what the client raises."""
    headers = [
        ("content-type", "application/json"),
        ("authorization", f"Bearer {request.agent.secret}"),
        ("connection", "close"),  # the LLM server keeps a thread for each connection
    ]
    response = await client.request(
        "POST", address, PATH, headers=headers, body=request.body, timeout=_PATIENCE
    )
    data = await response.read()
    if response.status != 200:
        raise WrongAnswer(f"status {response.status}: {data[:300].decode(errors='replace')}")
    return _read(data, request, tokens)


def _read(data: bytes, request: Request, tokens: int | None) -> Answer:
    """The server's own count stands in the last chunk."""
    chunks = [line[len(_DATA) :] for line in data.splitlines() if line.startswith(_DATA)]
    if len(chunks) < 2 or chunks[-1] != b"[DONE]":
        raise WrongAnswer(f"it does not end: {data[-300:].decode(errors='replace')}")
    last = json.loads(chunks[-2])
    timings = last["timings"]
    if tokens is not None and timings["predicted_n"] != tokens:
        raise WrongAnswer(f"{timings['predicted_n']} tokens instead of {tokens}")
    return Answer(time.monotonic(), request.agent.name, timings["prompt_n"], timings["cache_n"])
