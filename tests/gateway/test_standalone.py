"""The gateway alone, in front of servers that run already."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import (
    AlreadyRunning,
    BadInput,
    Conflict,
    PortTaken,
    Refused,
    SutazaiError,
)
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Routes
from sutazai.gateway.app import Listening
from sutazai.gateway.ownfolders import LOCK, Held
from sutazai.gateway.standalone import (
    Front,
    Standalone,
    Standing,
    ask_dialect,
    check_listening,
    plan_routes,
)
from sutazai.wire import Address, Client, Request, Response, Server
from tests.gateway.fake_backend import FakeBackend
from tests.gateway.fake_ollama import MODEL, installed
from tests.ports import free_port

ANY_PORT = Listening("127.0.0.1", 0)
CHAT = {"messages": [{"role": "user", "content": "hi"}], "stream": False}


@asynccontextmanager
async def alone(
    places: Places, *addresses: str, listening: Listening = ANY_PORT, **more: Any
) -> AsyncIterator[Standing]:
    made = Standalone(places, listening, Front(addresses, **more), ask_every=0.05)
    try:
        yield await made.start()
    finally:
        await made.close()


@contextmanager
def ollama(folder: Path, port: int = 0) -> Iterator[str]:
    """An Ollama in a process of its own; gives its address."""
    environment = {"OLLAMA_HOST": f"127.0.0.1:{port}"}
    process = subprocess.Popen(
        [installed(folder), "serve"], env=environment, stdout=subprocess.PIPE
    )
    with process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline().split()[-1])}"
        finally:
            process.kill()


async def api(client: Client, places: Places, path: str) -> Any:
    return await client.call("GET", Address.parse(f"unix:{places.gateway_socket}"), path)


async def chat(client: Client, standing: Standing, model: str) -> str:
    """What is answered to a client that speaks Ollama."""
    answer = await client.call(
        "POST", Address.parse(standing.url), "/api/chat", {**CHAT, "model": model}
    )
    return str(answer["message"]["content"])


# what it does


async def test_programs_can_use_it_at_once_by_model_and_by_tier(
    places: Places, client: Client
) -> None:
    async with FakeBackend() as fake, alone(places, fake.url) as standing:
        (backend,) = standing.backends
        assert (backend.available, backend.models) == (True, fake.models)
        assert await chat(client, standing, "fake-70b") == "Hello, wörld 🌍"
        assert await chat(client, standing, "fast") == "Hello, wörld 🌍"

    assert [call["model"] for call in fake.calls] == ["fake-70b", "fake-7b"]


async def test_each_server_is_asked_what_it_speaks(
    places: Places, client: Client, tmp_path: Path
) -> None:
    async with FakeBackend() as openai:
        with ollama(tmp_path) as address:
            async with alone(places, openai.url, address) as standing:
                assert [backend.models for backend in standing.backends] == [
                    openai.models,
                    (MODEL,),
                ]
                assert await chat(client, standing, MODEL) == "Hello"

    kept = Routes.model_validate_json(places.routes.read_bytes())
    assert [each.dialect for each in kept.backends] == [Dialect.OPENAI, Dialect.OLLAMA]


async def test_a_server_that_comes_later_is_asked_then(
    places: Places, client: Client, tmp_path: Path
) -> None:
    port = free_port()
    async with alone(places, f"http://127.0.0.1:{port}") as standing:
        (backend,) = standing.backends
        assert not backend.available and "no connection" in backend.reason
        with ollama(tmp_path, port):
            async with asyncio.timeout(60):
                while await answer_or_error(client, standing) != "Hello":
                    await asyncio.sleep(0.05)


async def answer_or_error(client: Client, standing: Standing) -> str:
    try:
        return await chat(client, standing, MODEL)
    except SutazaiError as error:
        return error.message


async def test_slots_and_dialect_can_be_said(places: Places, client: Client) -> None:
    async with FakeBackend() as fake, alone(places, fake.url, dialect=Dialect.OPENAI, slots=3):
        (backend,) = (await api(client, places, "/stats"))["backends"]

    assert backend["slots"] == 3


async def test_what_it_says_of_a_taken_port_helps(places: Places) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        listening = Listening("127.0.0.1", somebody.getsockname()[1])
        with pytest.raises(PortTaken) as caught:
            async with alone(places, "http://127.0.0.1:1", listening=listening):
                pass

    assert f"127.0.0.1:{listening.port} already" in caught.value.message
    assert "--listen 127.0.0.1:PORT" in str(caught.value.hint)
    assert not places.gateway_socket.exists()


async def test_revisions_go_on_where_the_last_run_ended(places: Places, client: Client) -> None:
    async with FakeBackend() as fake:
        for revision in (1, 2):
            async with alone(places, fake.url):
                assert (await api(client, places, "/stats"))["revision"] == revision


# dialects


@pytest.mark.parametrize(
    ("status", "body", "dialect"),
    [
        (200, b'{"version": "0.12.0"}', Dialect.OLLAMA),
        (404, b"not found", Dialect.OPENAI),
        (401, b'{"error": {"message": "no key"}}', Dialect.OPENAI),
        (200, b'{"error": "unexpected endpoint"}', Dialect.OPENAI),
        (200, b"<html>", Dialect.OPENAI),
        (503, b"no server there", None),
    ],
)
async def test_only_who_tells_ollamas_version_is_one(
    client: Client, status: int, body: bytes, dialect: Dialect | None
) -> None:
    async def answer(request: Request) -> Response:
        return Response(status, [], body)

    server = Server(answer)
    port = await server.listen_tcp("127.0.0.1", 0, "x")

    assert await ask_dialect(client, f"http://127.0.0.1:{port}") is dialect

    await server.close(grace=0)


async def test_a_base_url_of_openai_is_taken_at_its_word(client: Client) -> None:
    assert await ask_dialect(client, "http://127.0.0.1:1/v1") is Dialect.OPENAI


async def test_who_does_not_answer_is_unknown(client: Client) -> None:
    assert await ask_dialect(client, "http://127.0.0.1:1") is None


def test_as_long_as_it_is_unknown_the_port_decides() -> None:
    front = Front(("http://h:11434", "http://h:8000", "http://h:8000/v1", "unix:/run/x.sock"))

    routes = plan_routes(front, {}, 7)

    assert [(each.name, each.dialect.value) for each in routes.backends] == [
        ("h:11434", "ollama"),
        ("h:8000", "openai"),
        ("h:8000#2", "openai"),
        ("/run/x.sock", "openai"),
    ]
    assert routes.revision == 7 and routes.keyless


# where it may listen


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
def test_without_keys_it_is_for_this_machine_only(host: str) -> None:
    with pytest.raises(Refused) as caught:
        check_listening(Listening(host, 10104), Front(()))

    assert "gateway.keyless: false" in str(caught.value.hint)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_loopback_is_fine(host: str) -> None:
    check_listening(Listening(host, 10104), Front(("http://127.0.0.1:11434", "unix:/x")))


def test_it_does_not_call_itself() -> None:
    with pytest.raises(BadInput, match="round in a circle"):
        check_listening(Listening("127.0.0.1", 10104), Front(("http://localhost:10104/v1",)))


def test_a_name_is_no_address_to_listen_on() -> None:
    with pytest.raises(BadInput, match="not an IP address"):
        check_listening(Listening("myhost", 10104), Front(()))


# its folders


def test_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    places = Places(state=tmp_path / "a/state", runtime=tmp_path / "b/run")

    with Held(places):
        for folder in (places.state, places.runtime, tmp_path / "a", tmp_path / "b"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    with Held(places):  # and again, with what is there
        pass


def test_one_gateway_at_a_time(places: Places) -> None:
    with Held(places), pytest.raises(AlreadyRunning), Held(places):
        pass


def test_a_fleet_s_folder_is_not_taken(places: Places) -> None:
    places.config.write_text(json.dumps({}))

    with pytest.raises(Conflict, match="state folder of a fleet"), Held(places):
        pass


def test_a_folder_full_of_other_things_is_a_mistake(places: Places) -> None:
    (places.state / "thesis.txt").write_text("precious")

    with pytest.raises(BadInput, match="holds other things"), Held(places):
        pass
    assert not (places.state / LOCK).exists()


def test_a_runtime_folder_that_is_open_to_others_is_refused(places: Places) -> None:
    places.runtime.chmod(0o755)

    with pytest.raises(Refused, match="open to others"), Held(places):
        pass


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    places = Places(state=tmp_path / "file", runtime=tmp_path / "run")

    with pytest.raises(BadInput, match="is no folder"), Held(places):
        pass
