"""An Ollama that answers is used, and the decision holds for as long as the fleet runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sutazai.control.ollama import SourceChooser
from sutazai.control.source import LlmSource, Source
from sutazai.fleet.serving import Backend, EmbeddedLlm
from sutazai.fleet.spec import Fleet
from sutazai.wire import Client, Request, Response, Router, Server, json_response

FLEET = Fleet(name="f")


class FakeOllama:
    """Answers what is asked of an Ollama to know it."""

    def __init__(self) -> None:
        self.models = ["llama3:latest"]
        self.port = 0
        router = Router()
        router.add("GET", "/api/version", self._version)
        router.add("GET", "/api/tags", self._tags)
        router.add("GET", "/api/ps", self._tags)
        self._server = Server(router)

    async def start(self) -> None:
        self.port = await self._server.listen_tcp("127.0.0.1", 0, "ollama")

    async def close(self) -> None:
        await self._server.close(grace=0.1)

    async def _version(self, request: Request) -> Response:
        return json_response({"version": "0.20.1"})

    async def _tags(self, request: Request) -> Response:
        return json_response({"models": [{"name": name} for name in self.models]})


@pytest.fixture
async def ollama(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeOllama]:
    ollama = FakeOllama()
    await ollama.start()
    monkeypatch.setenv("OLLAMA_HOST", f"localhost:{ollama.port}")
    yield ollama
    await ollama.close()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client() as client:
        yield client


def chooser(
    client: Client, folder: Path, fleet: Fleet = FLEET, *, started: float = 1.0, gateway: int = 1
) -> SourceChooser:
    return SourceChooser(
        fleet, client, folder / "llm-source.json", started=started, gateway=gateway
    )


async def test_an_ollama_with_a_model_is_used_and_stays_for_this_start(
    ollama: FakeOllama, client: Client, tmp_path: Path
) -> None:
    found = await chooser(client, tmp_path).choose()
    assert found == LlmSource(Source.OLLAMA, f"http://localhost:{ollama.port}", ("llama3:latest",))
    ollama.models = []
    assert await chooser(client, tmp_path).choose() == found  # a new control, the same start
    assert (await chooser(client, tmp_path, started=2.0).choose()).kind is Source.EMBEDDED
    ollama.models = ["phi"]
    assert (await chooser(client, tmp_path, started=2.0).choose()).kind is Source.EMBEDDED
    assert (await chooser(client, tmp_path, started=2.0).choose_again()).models == ("phi",)


async def test_what_is_declared_or_forbidden_is_not_looked_for(
    ollama: FakeOllama, client: Client, tmp_path: Path
) -> None:
    forbidden = Fleet(name="f", llm=EmbeddedLlm(detect_ollama=False))
    assert (await chooser(client, tmp_path, forbidden).choose()).kind is Source.EMBEDDED
    declared = Fleet(name="f", backends={"b": Backend(url="http://x")})
    assert (await chooser(client, tmp_path, declared).choose()).kind is Source.DECLARED
    assert (await chooser(client, tmp_path, forbidden).choose()).kind is Source.EMBEDDED


async def test_our_own_gateway_is_not_taken_for_an_ollama(
    ollama: FakeOllama, client: Client, tmp_path: Path
) -> None:
    found = await chooser(client, tmp_path, gateway=ollama.port).choose()
    assert found.kind is Source.EMBEDDED


async def test_a_decision_that_cannot_be_read_is_made_anew(
    ollama: FakeOllama, client: Client, tmp_path: Path
) -> None:
    for text in ("", "[]", "{}", '{"started": 1.0, "kind": "else"}'):
        (tmp_path / "llm-source.json").write_text(text)
        assert (await chooser(client, tmp_path).choose()).kind is Source.OLLAMA
