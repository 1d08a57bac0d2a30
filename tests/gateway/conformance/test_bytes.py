"""Every feature in every combination of dialects, byte by byte.

In the same dialect the backend gets the client's bytes (an Ollama one field more, so that it cuts
no prompt in silence) and the client the backend's. Translations are compared with transcripts in
`transcripts`, which a person has read: what the backend got and what the client got.
``SUTAZAI_TRANSCRIBE=1`` writes them anew, to be read again.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.wire import Address, Client
from tests.gateway.conformance.cases import CASES, OLLAMA, OPENAI, Case
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import House, Reply, route

FOLDER = Path(__file__).with_name("transcripts")
WRITE = bool(os.environ.get("SUTAZAI_TRANSCRIBE"))

_VARIES = (
    (re.compile(r'^(data: )?\{"id":"[^"]*"', re.MULTILINE), r'\1{"id":"ID"'),
    (re.compile(r'"created":\d+'), '"created":0'),
    (re.compile(r'"created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"'), '"created_at":"TIME"'),
    (re.compile(r'"total_duration":\d+'), '"total_duration":0'),
    (re.compile(r'"id":"call_[^"]*_(\d)"'), r'"id":"call_ID_\1"'),
)


MANNERS = {"whole": None, "streamed": 0, "bytewise": 1, "askew": 7}
"""How an answer comes: None as a whole, else streamed, cut into pieces of so many bytes."""


def combinations(*, same: bool) -> list[Any]:
    return [
        pytest.param(case, speaks, backend, cut, id=f"{case.name}-{speaks}-{backend}-{manner}")
        for case in CASES
        for speaks, backend in product(Dialect, repeat=2)
        for manner, cut in MANNERS.items()
        if (speaks is backend) is same and (case.streams or cut is None)
    ]


@pytest.mark.parametrize(("case", "speaks", "backend", "cut"), combinations(same=True))
async def test_the_same_dialect_is_passed_on_as_it_is(
    house: House, case: Case, speaks: Dialect, backend: Dialect, cut: int | None
) -> None:
    sent = json.dumps(case.body(speaks, stream=cut is not None), indent=1).encode()
    async with FakeBackend(backend, script=replace(case.script, cut=cut or 0)) as fake:
        await house.start(route(fake))
        reply = await house.post(case.paths[speaks], sent)
        direct = await post(house.client, fake, case.paths[speaks], sent)
        assert reply.status == direct.status == 200
        assert reply.data == direct.data
        seen = fake.seen[0]
        assert seen.path == case.paths[speaks]
        if seen.body.pop("truncate", True):
            assert seen.raw == sent
        else:  # an Ollama is told to refuse what it would cut
            assert seen.body == json.loads(sent)


@pytest.mark.parametrize(("case", "speaks", "backend", "cut"), combinations(same=False))
async def test_a_translation_reads_as_it_did(
    house: House, case: Case, speaks: Dialect, backend: Dialect, cut: int | None
) -> None:
    stream = cut is not None
    async with FakeBackend(backend, script=replace(case.script, cut=cut or 0)) as fake:
        await house.start(route(fake))
        reply = await house.post(case.paths[speaks], case.body(speaks, stream=stream))
        (seen,) = fake.seen
        transcript = "\n".join(
            [f"POST {seen.path}", seen.raw.decode(), f"{reply.status}", settled(reply.data)]
        )
        check(
            f"{speaks}-{backend}", f"{case.name}, {'streamed' if stream else 'whole'}", transcript
        )


async def post(client: Client, fake: FakeBackend, path: str, sent: bytes) -> Reply:
    response = await client.request("POST", Address.parse(fake.url), path, body=sent)
    async with response:
        return Reply(response.status, dict(response.headers), await response.read())


def settled(data: bytes) -> str:
    """``data`` without what is another each time."""
    text = data.decode()
    for pattern, word in _VARIES:
        text = pattern.sub(word, text)
    return text


def check(name: str, title: str, transcript: str) -> None:
    path = FOLDER / f"{name}.txt"
    if not WRITE:
        assert transcript.rstrip() == transcripts(path)[title]
        return
    kept = transcripts(path) if path.exists() else {}
    kept[title] = transcript.rstrip()
    path.write_text("".join(f"=== {each}\n{text}\n\n" for each, text in kept.items()))
    transcripts.cache_clear()


@cache
def transcripts(path: Path) -> dict[str, str]:
    """The transcripts in a file by their titles."""
    parts = path.read_text().split("=== ")[1:]
    split = [part.split("\n", 1) for part in parts]
    return {title: text.rstrip() for title, text in split}


# what only one dialect has, in its own shape


@pytest.mark.parametrize("backend", list(Dialect))
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"model": "fake-7b", "input": "Grüezi", "brand_new": 1}),
        ("/v1/messages", {"model": "fake-7b", "max_tokens": 9, "messages": [], "brand_new": 1}),
    ],
    ids=["responses", "messages"],
)
async def test_newer_apis_are_passed_on_to_any_backend(
    house: House, backend: Dialect, stream: bool, path: str, body: dict[str, Any]
) -> None:
    sent = json.dumps({**body, "stream": stream}, indent=1).encode()
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        reply = await house.post(path, sent)
        direct = await post(house.client, fake, path, sent)
        assert (reply.status, reply.data) == (200, direct.data)
        assert fake.seen[0].raw == sent
        stats = await house.stats()
        assert (stats["done"], stats["tokens_in"], stats["tokens_out"]) == (1, 7, 4)


async def test_tokens_are_counted_by_the_backend(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        body = {"model": "fast", "messages": []}
        reply = await house.post("/v1/messages/count_tokens", body)
        assert reply.json == {"input_tokens": 7}
        assert (await house.stats())["tokens_in"] == 0


@pytest.mark.parametrize("backend", list(Dialect))
@pytest.mark.parametrize("stream", [False, True])
async def test_a_backend_without_a_newer_api_is_said_to_have_none(
    house: House, backend: Dialect, stream: bool
) -> None:
    async with FakeBackend(backend, further=False) as fake:
        await house.start(route(fake))
        body = {"model": "fast", "input": "x", "messages": [], "stream": stream}
        openai = await house.post("/v1/responses", body)
        assert openai.status == 404
        assert openai.json["error"]["code"] == "no_such_api"
        assert (
            "no backend for this model has OpenAI's Responses API"
            in openai.json["error"]["message"]
        )
        for path in ("/v1/messages", "/v1/messages/count_tokens"):
            anthropic = await house.post(path, body)
            assert anthropic.status == 404
            assert anthropic.json["type"] == "error"
            assert anthropic.json["error"]["type"] == "not_found_error"
            assert "no backend for this model" in anthropic.json["error"]["message"]


@pytest.mark.parametrize("backend", list(Dialect))
async def test_an_unknown_model_is_no_missing_api(house: House, backend: Dialect) -> None:
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        reply = await house.post("/v1/messages", {"model": "nope", "messages": []})
        assert reply.status == 404
        assert reply.json["error"]["type"] == "not_found_error"
        assert "'nope' not found" in reply.json["error"]["message"]
        reply = await house.post("/v1/responses", {"model": "nope"})
        assert reply.json["error"]["code"] == "model_not_found"


TROUBLES = {
    "error": {"error_after": 2},
    "drop": {"drop_after": 2},
    "end": {"end_after": 2},
    "nonsense": {"nonsense_after": 2},
}


@pytest.mark.parametrize("cut", [0, 5])
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
async def test_trouble_in_mid_stream_is_told_as_an_event_of_that_api(
    house: House, path: str, trouble: str, cut: int
) -> None:
    changes: dict[str, Any] = {**TROUBLES[trouble], "cut": cut}
    async with FakeBackend(script=Script(**changes)) as fake:
        await house.start(route(fake))
        body = {"model": "fast", "input": "x", "messages": [], "stream": True}
        reply = await house.post(path, body)
        assert reply.status == 200
        blocks = reply.data.decode().strip().split("\n\n")
        assert all(block.count("data: ") == 1 for block in blocks)
        event, data = blocks[-1].split("\n")
        assert event == "event: error"
        told = json.loads(data.removeprefix("data: "))
        assert told["type"] == "error" and told["error"]["message"]
        if trouble == "error":
            assert told["error"]["message"] == "scripted trouble"
        assert "Hello" in reply.data.decode() and "message_stop" not in reply.data.decode()
        assert (await house.wait_for(lambda stats: stats["failed"]))["running"] == 0


@pytest.mark.parametrize("status", [400, 429, 500, 503])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
async def test_a_refusal_of_the_backend_keeps_its_words(
    house: House, path: str, status: int
) -> None:
    async with FakeBackend(script=Script(status=status)) as fake:
        await house.start(route(fake))
        body = {"model": "fast", "input": "x", "messages": [], "stream": True}
        reply = await house.post(path, body)
        assert reply.status == status
        assert reply.json["error"]["message"] == "scripted trouble"
        assert path == "/v1/responses" or reply.json["error"]["type"] == "overloaded_error"


async def test_a_key_may_come_as_anthropic_clients_send_it(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake), keyless=False)
        body = {"model": "fast", "messages": [], "max_tokens": 1}
        refused = await house.post("/v1/messages", body)
        assert refused.status == 401
        assert refused.json["error"]["type"] == "authentication_error"
        let_in = await house.post("/v1/messages", body, headers=[("x-api-key", "planner-key")])
        assert let_in.status == 200


# what cannot be said in the other dialect


@pytest.mark.parametrize(
    ("path", "more", "complaint"),
    [
        ("/v1/chat/completions", {"n": 2}, "n must be 1"),
        ("/v1/chat/completions", {"functions": [{"name": "f"}]}, "functions cannot be had"),
        ("/v1/completions", {"n": 3}, "n must be 1"),
        ("/v1/completions", {"best_of": 2}, "best_of must be 1"),
        ("/v1/completions", {"echo": True}, "echo cannot be had"),
        ("/v1/completions", {"prompt": ["a", "b"]}, "single text"),
    ],
)
async def test_what_a_backend_cannot_give_is_refused_only_where_it_is_translated(
    house: House, path: str, more: dict[str, Any], complaint: str
) -> None:
    body = {"model": "fake-7b", "messages": [{"role": "user", "content": "x"}], "prompt": "x"}
    async with FakeBackend(OLLAMA) as ollama:
        await house.start(route(ollama))
        reply = await house.post(path, {**body, **more})
        assert reply.status == 400 and complaint in reply.json["error"]["message"]
        assert not ollama.calls
    async with FakeBackend(OPENAI) as openai:
        await house.route(route(openai))
        await house.wait_for(lambda stats: stats["backends"][0]["available"])
        reply = await house.post(path, {**body, **more})
        assert reply.status == 200 and len(reply.json["choices"]) == more.get("n", 1)
