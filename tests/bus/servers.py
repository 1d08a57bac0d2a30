"""Real brokers for tests and benchmarks, on free ports with folders of their own."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

STARTING = 90.0


class Missing(Exception):
    """The server is not on this machine, or does not start."""


@dataclass(frozen=True)
class BrokerServer:
    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def nats_server(folder: Path) -> Iterator[BrokerServer]:
    """NATS with JetStream, which flushes every message to disk where it can (2.10, not 2.9).

    Raises Missing.
    """
    program = shutil.which("nats-server")
    if program is None:
        raise Missing("nats-server is not installed")
    port, config, store = free_port(), folder / "nats.conf", folder / "jetstream"
    sync = ", sync_interval: always" if _version(program) >= (2, 10) else ""
    config.write_text(f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{store}"{sync} }}\n')
    with _running([program, "-c", str(config)], port, folder, {}) as process:
        yield BrokerServer(f"nats://127.0.0.1:{port}", process)


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[BrokerServer]:
    """RabbitMQ without plugins, its own port mapper included. Raises Missing."""
    program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if not program.exists():
        raise Missing("rabbitmq-server is not installed")
    port, config, plugins = free_port(), folder / "rabbitmq.conf", folder / "plugins"
    config.write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    plugins.write_text("[].\n")
    environment = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"t{secrets.token_hex(4)}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_CONFIG_FILE": str(config),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
    }
    with _running([str(program)], port, folder, environment) as process:
        yield BrokerServer(f"amqp://guest:guest@127.0.0.1:{port}/", process)


@contextmanager
def _running(
    command: list[str], port: int, folder: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own, with whatever it starts, until it listens and then on."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment, "SUTAZAI_TEST_BROKER": str(folder)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_it_listens(process, port, folder / "output")
        yield process
    finally:
        _end(process, str(folder))


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    until = time.monotonic() + STARTING
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise Missing(f"it does not start: {output.read_text()[-500:]}") from error
            time.sleep(0.05)
        else:
            return


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Ends it and all that it started: Erlang's port mapper leaves the session."""
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SUTAZAI_TEST_BROKER={mark}".encode() in entry.read_bytes().split(b"\0"):
                os.kill(int(entry.parent.name), signal.SIGKILL)
        except OSError:
            continue  # gone, or another user's
    process.wait()


def _version(program: str) -> tuple[int, ...]:
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else (0, 0)
