"""`sutazai gateway --backend URL`, as a person starts and ends it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sutazai.cli.gateway_alone import parse_backend, parse_listen
from sutazai.fleet.errors import BadInput
from tests.cli.conftest import CommandLine
from tests.gateway.fake_ollama import MODEL, installed

CLI = [sys.executable, "-m", "sutazai.cli"]


@pytest.fixture
def ollama(tmp_path: Path) -> Iterator[str]:
    """An Ollama in a process of its own; gives its address."""
    environment = {"OLLAMA_HOST": "127.0.0.1:0"}
    process = subprocess.Popen(
        [installed(tmp_path), "serve"], env=environment, stdout=subprocess.PIPE
    )
    with process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline().split()[-1])}"
        finally:
            process.kill()


@contextmanager
def gateway(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*CLI, "gateway", "--listen", "127.0.0.1:0", *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said_at_start(process: subprocess.Popen[str]) -> str:
    """Everything up to the first backend."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("backend "):
            break
    return "".join(lines)


def test_it_says_where_it_is_what_to_set_and_what_it_found(ollama: str) -> None:
    with gateway("--backend", ollama) as process:
        said = said_at_start(process)
        found = re.search(r"^gateway on (http://127\.0\.0\.1:\d+); Ctrl-C ends it$", said, re.M)
        assert found is not None
        assert f"export OLLAMA_HOST={found[1]}\n" in said
        assert f"export OPENAI_BASE_URL={found[1]}/v1\n" in said
        assert said.endswith(f"{MODEL}\n")

        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "Traceback" not in errors


def test_the_other_commands_find_it(sutazai: CommandLine, ollama: str) -> None:
    with gateway("--backend", ollama) as process:
        said_at_start(process)

        assert MODEL in sutazai("gateway", "stats").out

        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert sutazai("gateway", "stats").code == 6


def test_a_server_that_is_not_there_is_no_error() -> None:
    with gateway("--backend", "127.0.0.1:1") as process:
        said = said_at_start(process)

    assert "backend 127.0.0.1:1: not available (" in said
    assert "it is tried again until it is" in said


def test_without_a_backend_the_usual_ollama_is_taken(ollama: str) -> None:
    with gateway(OLLAMA_HOST=ollama) as process:
        assert MODEL in said_at_start(process)


def test_without_any_it_says_what_to_do(
    sutazai: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")

    said = sutazai("gateway")

    assert said.code == 6
    assert "nothing answers at http://127.0.0.1:1" in said.err
    assert "ollama serve" in said.err and "sutazai gateway --backend" in said.err


def test_an_ollama_host_that_means_the_gateway_itself_is_not_taken(
    sutazai: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        here = f"127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("OLLAMA_HOST", here)

    said = sutazai("gateway", "--listen", here)

    assert here not in said.err and "11434" in said.err


def test_a_taken_port_is_code_2_and_tells_the_way_out(sutazai: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        place = f"127.0.0.1:{somebody.getsockname()[1]}"
        done = subprocess.run(
            [*CLI, "gateway", "--backend", "127.0.0.1:1", "--listen", place],
            capture_output=True,
            text=True,
            timeout=30,
        )

    assert done.returncode == 2
    assert f"somebody listens on {place} already" in done.stderr
    assert "--listen 127.0.0.1:PORT" in done.stderr


def test_an_address_for_others_is_refused_with_the_way_to_keys(sutazai: CommandLine) -> None:
    said = sutazai("gateway", "--backend", "127.0.0.1:1", "--listen", "0.0.0.0:10104")

    assert said.code == 3
    assert "`gateway.keyless: false`" in said.err


def test_a_dialect_that_there_is_not_is_code_2(sutazai: CommandLine) -> None:
    assert sutazai("gateway", "--dialect", "klingon").code == 2


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10104", "127.0.0.1", 10104),
        (":10104", "127.0.0.1", 10104),
        ("localhost:1", "127.0.0.1", 1),
        ("[::1]:65535", "::1", 65535),
        (" 127.0.0.2:80 ", "127.0.0.2", 80),
    ],
)
def test_where_to_listen_can_be_written_short(text: str, host: str, port: int) -> None:
    listening = parse_listen(text)

    assert (listening.host, listening.port) == (host, port)


@pytest.mark.parametrize("text", ["", "here", "1.2.3.4", "::1:80", "x:65536", "http://x:1"])
def test_what_is_no_place_to_listen_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_listen(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://llm.example", "https://llm.example:443"),
        ("unix:/run/llm.sock", "unix:/run/llm.sock"),
    ],
)
def test_a_backend_can_be_written_short(text: str, address: str) -> None:
    assert parse_backend(text) == address


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(BadInput):
        parse_backend("not an address")
