"""The embedded server as its clients and its host see it; everything is the real llama.cpp."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sutazai.fleet.errors import PeerClosed
from sutazai.llm.memory import estimate
from sutazai.llm.models import find_model
from sutazai.wire import Client, SseDecoder
from tests.llm.serving import CONTEXT, SLOTS, Json, Serving, command, refused, serving

MODEL = "smollm2-135m-instruct"
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


async def test_it_is_healthy_and_names_its_model(server: Serving, client: Client) -> None:
    assert await client.call("GET", server.address, "/health") == {"status": "ok"}
    models = await client.call("GET", server.address, "/v1/models")
    assert [model["id"] for model in models["data"]] == [MODEL]


async def test_every_slot_has_the_context_that_was_asked_for(
    server: Serving, client: Client
) -> None:
    slots = await _slots(server, client)

    assert [slot["n_ctx"] for slot in slots] == [CONTEXT] * SLOTS


def test_its_socket_is_private(server: Serving) -> None:
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o700


async def test_it_answers(server: Serving, client: Client) -> None:
    async with await server.chat(client, "Say hello.") as response:
        answer = await response.json()

    assert response.status == 200
    assert answer["choices"][0]["message"]["content"]
    assert 0 < answer["usage"]["completion_tokens"] <= 16


async def test_it_answers_token_by_token(server: Serving, client: Client) -> None:
    decoder = SseDecoder()
    async with await server.chat(client, "Count to ten.", stream=True) as response:
        events = [event async for piece in response.stream() for event in decoder.feed(piece)]

    *pieces, last = [event.data for event in events]
    deltas = [json.loads(piece)["choices"][0]["delta"].get("content") for piece in pieces]
    assert last == "[DONE]"
    assert len([delta for delta in deltas if delta]) > 3


async def test_an_answer_follows_its_schema(server: Serving, client: Client) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}

    async with await server.chat(
        client, "Bob is 30 years old.", response_format=form, max_tokens=100
    ) as response:
        answer = await response.json()

    person = json.loads(answer["choices"][0]["message"]["content"])
    assert set(person) == {"name", "age"}
    assert isinstance(person["age"], int)


async def test_what_is_no_schema_is_refused(server: Serving, client: Client) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}

    async with await server.chat(client, "Hello.", response_format=form) as response:
        answer = await response.json()

    assert response.status == 400
    assert "nonsense" in answer["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_longer_than_the_context_is_refused_and_not_cut(
    server: Serving, client: Client, stream: bool
) -> None:
    async with await server.chat(client, "word " * CONTEXT, stream=stream) as response:
        answer = await response.json()

    assert response.status == 400
    assert answer["error"]["type"] == "exceed_context_size_error"
    assert answer["error"]["n_ctx"] == CONTEXT


async def test_an_answer_that_fills_the_context_says_that_it_was_cut(
    server: Serving, client: Client
) -> None:
    async with await server.chat(
        client, "word " * (CONTEXT - 60), max_tokens=CONTEXT, ignore_eos=True
    ) as response:
        answer = await response.json()

    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["total_tokens"] == CONTEXT


async def test_a_prompt_seen_before_is_not_computed_again(server: Serving, client: Client) -> None:
    seen = []
    for question in ("How many?", "How few?"):
        async with await server.chat(client, "You know pears. " * 20 + question) as response:
            usage = (await response.json())["usage"]
            seen.append(usage["prompt_tokens_details"]["cached_tokens"])

    assert seen[1] >= 60


async def test_texts_of_like_meaning_have_like_embeddings(server: Serving, client: Client) -> None:
    cat, kitten, shares = await _embedded(
        server,
        client,
        "The cat sleeps on the sofa.",
        "A kitten is napping on the couch.",
        "Shares fell on Monday.",
    )

    assert _likeness(cat, kitten) > _likeness(cat, shares)


async def test_a_text_has_the_same_embedding_alone_and_among_others(
    server: Serving, client: Client
) -> None:
    texts = ["Short.", "This text is a good deal longer than its neighbours are.", "Shorter still."]

    together = await _embedded(server, client, *texts)
    alone = [(await _embedded(server, client, text))[0] for text in texts]

    likeness = [_likeness(one, other) for one, other in zip(together, alone, strict=True)]
    assert min(likeness) > 0.99


async def _embedded(server: Serving, client: Client, *texts: str) -> list[list[float]]:
    async with await server.post(client, "/v1/embeddings", {"input": texts}) as response:
        return [item["embedding"] for item in (await response.json())["data"]]


def _likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_a_text_too_long_to_embed_is_refused(client: Client, folder: Path) -> None:
    with serving(folder / "llm.sock", "--context", "1024", "--slots", "1") as server:
        text = {"input": "word " * 600}
        async with await server.post(client, "/v1/embeddings", text) as response:
            answer = await response.json()

    assert response.status == 500
    assert "too large to process" in answer["error"]["message"]


async def test_nothing_is_computed_for_a_client_that_went_away_in_a_stream(
    server: Serving, client: Client
) -> None:
    async with await server.chat(
        client, "Tell a story.", max_tokens=CONTEXT, ignore_eos=True, stream=True
    ) as response:
        await anext(response.stream())
        (busy,) = [slot["id"] for slot in await _slots(server, client) if slot["is_processing"]]

    while (slot := (await _slots(server, client))[busy])["is_processing"]:
        await asyncio.sleep(0.01)
    assert slot["next_token"][0]["has_next_token"], "the answer was computed to its end"


async def _slots(server: Serving, client: Client) -> list[Json]:
    return list(await client.call("GET", server.address, "/slots"))


async def test_it_takes_no_more_memory_than_estimated(server: Serving, client: Client) -> None:
    texts = {"input": ["word " * (CONTEXT - 20)] * SLOTS}
    async with await server.post(client, "/v1/embeddings", texts) as response:
        assert response.status == 200
        await response.read()

    model = find_model(MODEL)
    expected = estimate(model.head, slots=SLOTS, context=CONTEXT, prompt_cache=64 * 1024**2)
    assert _pss(server.process.pid) < expected.total


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


async def test_it_stops_at_once_in_the_midst_of_an_answer(client: Client, folder: Path) -> None:
    with serving(folder / "llm.sock") as server:
        async with await server.chat(
            client, "Tell a story.", max_tokens=CONTEXT, ignore_eos=True, stream=True
        ) as response:
            answer = response.stream()
            assert await anext(answer)
            server.process.terminate()

            with pytest.raises(PeerClosed):
                await _read_all(answer)
        assert await asyncio.to_thread(server.process.wait, 60) == 0
        assert not server.path.exists()


async def _read_all(answer: AsyncIterator[bytes]) -> None:
    async for _ in answer:
        pass


def test_a_killed_servers_socket_is_replaced(folder: Path) -> None:
    path = folder / "llm.sock"
    with serving(path) as first:
        first.process.kill()
    assert path.exists()

    with serving(path) as second:
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(60) == 0


def test_a_second_server_leaves_the_first_ones_socket_alone(server: Serving) -> None:
    done = refused(server.path)

    assert done.returncode == 2
    assert "a server listens on" in done.stderr
    assert server.path.exists()


def test_a_model_that_is_not_there_ends_it_with_what_to_do(folder: Path) -> None:
    done = refused(folder / "llm.sock", "--model", "llama")

    assert done.returncode == 6
    assert f"built in: {MODEL}" in done.stderr


def test_without_the_library_it_says_what_to_install(folder: Path) -> None:
    words = command(folder / "llm.sock")[3:]
    code = (
        "import sys; sys.modules['xllamacpp'] = None;"
        f"from sutazai.llm.__main__ import main; sys.exit(main({words!r}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 6
    assert "pip install 'sutazai[llm]'" in done.stderr


def test_what_llama_cpp_cannot_serve_ends_it_with_its_reason(folder: Path) -> None:
    done = refused(folder / "llm.sock", "--model", str(_strange_model(folder)))

    assert done.returncode == 1
    assert "unknown model architecture" in done.stderr
    assert "llama.cpp cannot serve" in done.stderr
    assert not (folder / "llm.sock").exists()


def _strange_model(folder: Path) -> Path:
    path = folder / "strange.gguf"
    data = find_model(MODEL).path.read_bytes()
    path.write_bytes(data.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lemma", 1))
    return path


def test_a_folder_that_others_can_write_to_is_refused(folder: Path) -> None:
    folder.chmod(0o777)

    done = refused(folder / "llm.sock")

    assert done.returncode == 3
    assert "others can write to" in done.stderr


def test_what_is_no_socket_is_not_removed(folder: Path) -> None:
    path = folder / "llm.sock"
    path.write_text("precious")

    done = refused(path)

    assert done.returncode == 3
    assert path.read_text() == "precious"


def test_a_path_too_long_for_a_socket_is_refused(folder: Path) -> None:
    done = refused(folder / ("x" * 100) / "llm.sock")

    assert done.returncode == 2
    assert "longer than 103 bytes" in done.stderr


def test_more_context_than_the_model_was_trained_with_is_said(folder: Path) -> None:
    more = ["--context", "9000", "--slots", "1"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command(folder / "llm.sock", *more), stderr=log) as process,
    ):
        try:
            assert _line(folder / "log", process)
        finally:
            process.kill()


def _line(log: Path, process: subprocess.Popen[bytes]) -> bool:
    while process.poll() is None:
        if "8192 tokens, all that the model was trained with, instead of 9000" in log.read_text():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("option", [["--slots", "0"], ["--threads", "x"], ["--prompt-cache", "1x"]])
def test_options_that_cannot_be_used_are_refused(folder: Path, option: list[str]) -> None:
    assert refused(folder / "llm.sock", *option).returncode == 2
