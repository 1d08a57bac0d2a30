"""An Ollama is used where one answers, and nothing else is taken for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sutazai.fleet.errors import BadInput
from sutazai.llm.detect import detect_ollama, look_for_ollama, ollama_address
from sutazai.wire import Client, Request, Response, Router, Server, json_response

ANSWERS: Mapping[str, Any] = {
    "/api/version": {"version": "0.12.3"},
    "/api/tags": {"models": [{"name": "llama3.2:3b", "size": 1}, {"name": "gemma2:9b"}]},
    "/api/ps": {"models": [{"name": "gemma2:9b", "size_vram": 0}]},
}

Environ = Mapping[str, str]


@asynccontextmanager
async def answering(answers: Mapping[str, Any]) -> AsyncIterator[Environ]:
    """An environment whose OLLAMA_HOST answers so."""
    router = Router()
    for path, answer in answers.items():
        router.add("GET", path, _giving(answer))
    server = Server(router)
    port = await server.listen_tcp("127.0.0.1", 0, "ollama")
    try:
        yield {"OLLAMA_HOST": f"127.0.0.1:{port}"}
    finally:
        await server.close(grace=0)


def _giving(answer: Any) -> Callable[[Request], Awaitable[Response]]:
    async def handler(request: Request) -> Response:
        return answer if isinstance(answer, Response) else json_response(answer)

    return handler


@asynccontextmanager
async def saying(greeting: bytes) -> AsyncIterator[Environ]:
    """An environment whose OLLAMA_HOST greets and says no more."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield {"OLLAMA_HOST": f"127.0.0.1:{server.sockets[0].getsockname()[1]}"}


async def test_an_ollama_tells_its_version_and_models(client: Client) -> None:
    async with answering(ANSWERS) as environ:
        found = await detect_ollama(client, environ=environ)

    assert found is not None
    assert str(found.address) == f"http://{environ['OLLAMA_HOST']}"
    assert found.version == "0.12.3"
    assert found.models == ("llama3.2:3b", "gemma2:9b")
    assert found.running == ("gemma2:9b",)


async def test_an_ollama_without_models_is_one(client: Client) -> None:
    answers = {**ANSWERS, "/api/tags": {"models": None}, "/api/ps": {"models": []}}
    async with answering(answers) as environ:
        found = await detect_ollama(client, environ=environ)

    assert found is not None
    assert found.models == found.running == ()


async def test_an_old_ollama_does_not_tell_what_runs(client: Client) -> None:
    answers = {**ANSWERS, "/api/ps": Response(404, [], b"404 page not found")}
    async with answering(answers) as environ:
        found = await detect_ollama(client, environ=environ)

    assert found is not None
    assert found.running == ()


async def test_where_nothing_listens_there_is_none(client: Client) -> None:
    async with answering(ANSWERS) as environ:
        pass

    look = await look_for_ollama(client, environ=environ)

    assert look.ollama is None
    assert look.reason == f"nothing answers at http://{environ['OLLAMA_HOST']}"


@pytest.mark.parametrize(
    "version",
    [
        Response(200, [("content-type", "text/html")], b"<html>hello</html>"),
        Response(404, [], b"404 page not found"),
        [],
        {"version": 7},
        {"version": "<script>"},
        {"models": []},
        None,
    ],
)
async def test_a_stranger_on_the_port_is_not_taken_for_one(client: Client, version: Any) -> None:
    async with answering({**ANSWERS, "/api/version": version}) as environ:
        look = await look_for_ollama(client, environ=environ)

    assert look.ollama is None
    assert "is no Ollama" in look.reason


@pytest.mark.parametrize("tags", [[], {}, {"models": 3}, {"models": ["llama"]}])
async def test_a_list_of_models_that_is_none_is_no_ollamas(client: Client, tags: Any) -> None:
    async with answering({**ANSWERS, "/api/tags": tags}) as environ:
        look = await look_for_ollama(client, environ=environ)

    assert look.ollama is None


async def test_what_does_not_speak_http_is_no_ollama(client: Client) -> None:
    async with saying(b"220 ftp.example.org ready\r\n\r\n") as environ:
        look = await look_for_ollama(client, environ=environ)

    assert look.ollama is None
    assert "is no Ollama" in look.reason


async def test_what_says_nothing_is_not_waited_for(client: Client) -> None:
    async with saying(b"") as environ:
        look = await look_for_ollama(client, environ=environ)

    assert look.ollama is None
    assert "did not answer within 1 s" in look.reason


async def test_an_address_that_is_none_is_a_reason(client: Client) -> None:
    look = await look_for_ollama(client, environ={"OLLAMA_HOST": "my host"})

    assert look.ollama is None
    assert look.address is None
    assert "OLLAMA_HOST is not an address" in look.reason


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("ollama.lan", "http://ollama.lan:11434"),
        (' "10.0.0.7:1234" ', "http://10.0.0.7:1234"),
        ("http://ollama.lan", "http://ollama.lan:80"),
        ("https://ollama.lan", "https://ollama.lan:443"),
        ("https://ollama.lan/base/", "https://ollama.lan:443/base"),
        ("[::1]:5", "http://[::1]:5"),
        ("::", "http://[::1]:11434"),
        ("fe80::1", "http://[fe80::1]:11434"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(host: str, address: str) -> None:
    assert str(ollama_address(host)) == address


@pytest.mark.parametrize("host", ["ftp://x", "a b", "host:99999", "host:0"])
def test_what_ollama_host_cannot_be_is_bad_input(host: str) -> None:
    with pytest.raises(BadInput):
        ollama_address(host)
