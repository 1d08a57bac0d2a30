"""A Postgres server of a test's own: its own cluster in a folder, on a free port, loopback only."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.ports import free_port

STARTS_WITHIN = 60.0
PATTERNS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")


def program(name: str) -> str:
    """The path of one of its programs. Skips the test where it is not installed."""
    for pattern in PATTERNS:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            if (folder / name).exists():
                return str(folder / name)
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install postgresql pgbouncer")
    return found


def user() -> str | None:
    """Who may run a server: it refuses root. None for ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("no user but root is there to run Postgres")


@dataclass
class Postgres:
    """One server that can be killed and started again on its data."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def url(self, name: str) -> str:
        return f"postgresql://sutazai@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "shared_buffers": "16MB",
            "max_connections": 60,
        }
        flags = [part for pair in settings.items() for part in ("-c", f"{pair[0]}={pair[1]}")]
        command = [program("postgres"), "-D", str(self.folder / "data"), *flags]
        until = time.monotonic() + STARTS_WITHIN
        while True:  # children of one that was killed may still hold its memory
            self.process = started(command, self.folder / "log")
            if answers(self.url("postgres"), self.process):
                return
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.2)

    def kill(self) -> None:
        """Without a chance to write anything more. Its children notice and go."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(STARTS_WITHIN)
            self.process = None

    def create(self, name: str) -> str:
        """A new database; its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server for as long as the context lasts."""
    initdb = program("initdb")
    with own_folder() as folder:
        subprocess.run(
            [initdb, "-D", str(folder / "data"), "-U", "sutazai", "-A", "trust", "--no-sync"],
            check=True, capture_output=True, user=user(),
        )  # fmt: skip
        server = Postgres(folder, free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def pgbouncer(server: Postgres) -> Iterator[int]:
    """A pooler in transaction mode before it; its port."""
    command, port = program("pgbouncer"), free_port()
    with own_folder() as folder:
        config = folder / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port} user=sutazai\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 10\n"
        )
        process = started([command, str(config)], folder / "log")
        try:
            url = f"postgresql://sutazai@127.0.0.1:{port}/postgres"
            assert answers(url, process), (folder / "log").read_text()
            yield port
        finally:
            process.terminate()
            process.wait(STARTS_WITHIN)


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that the server's user can write, which below pytest's it could not."""
    with tempfile.TemporaryDirectory(prefix="szp-") as name:
        if (server := user()) is not None:
            shutil.chown(name, server)
        yield Path(name)


def started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, user=user())


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether it can be connected to, once it can; False where it ended first."""
    until = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < until:
        try:
            psycopg.connect(url, connect_timeout=2, prepare_threshold=None).close()
            return True
        except psycopg.OperationalError:
            time.sleep(0.1)
    return False
