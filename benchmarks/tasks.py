"""Durable tasks and invocations, beside bare DBOS, Celery and RQ.

    python -m benchmarks.tasks [--json OUT] [--tasks N] [--seconds N]

Real processes: a gateway, one agent behind it that does nothing, and an executor as control has it.
Postgres and Redis are servers of their own on this machine, with their usual durability.

- ``durable_per_second``: tasks from submit to end, each an agent call recorded as a step.
- ``bare_dbos_per_second``: DBOS alone, one recorded step that does nothing. ``ratio_bare_dbos``.
- ``submit_to_start_ms``: one task at a time on an idle system (on SQLite; ``…_postgres`` beside),
  to the moment that the agent is called. ``idle_core``: what the executor takes of a core then.
- ``invocations_per_second``: not durable, by wrk through the agent's front door.
- ``celery_per_second``, ``rq_per_second``: the same no-op on Redis, installed on first use.

What is not installed here is left out, and ``left_out`` says why.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.environment import CACHE, environment
from benchmarks.peers.process import LeftOut, Program, free_port
from sutazai.fleet.facts import Endpoint, EndpointFacts
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Door, Key, Routes
from sutazai.store.database import database_url, sqlite_url
from sutazai.wire import Address, Client
from tests.postgres import postgres

HERE = Path(__file__).parent / "tasking"
KEY = "bench-key"
STARTING = 30.0
WRK = """\
wrk.method = "POST"
wrk.body = '{"input": 1}'
wrk.headers["content-type"] = "application/json"
wrk.headers["x-api-key"] = "KEY"
"""


class House:
    """A gateway with one agent, in processes of their own."""

    def __init__(self, folder: Path) -> None:
        os.environ["XDG_RUNTIME_DIR"] = str(folder)
        self.places = Places.of(folder / "state")
        self.door = free_port()
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def gateway(self) -> str:
        return f"unix:{self.places.gateway_socket}"

    def start(self) -> None:
        self.places.state.mkdir()
        self.places.runtime.mkdir(parents=True, mode=0o700)
        socket = self._folder / "echo.sock"
        ports = {"host": "127.0.0.1", "gateway": free_port()}
        key = Key(name="bench", secret=KEY)
        routes = Routes(revision=1, keys=(key,), doors=(Door(agent="echo", port=self.door),))
        endpoint = Endpoint(agent="echo", instance="echo", address=f"unix:{socket}")
        facts = EndpointFacts(incarnation="bench", sequence=1, full=True, ready=(endpoint,))
        self.places.config.write_text(json.dumps({"ports": ports}))
        self.places.routes.write_text(routes.model_dump_json())
        self.places.endpoints.write_text(facts.model_dump_json())
        self._run("sutazai.gateway", str(self.places.state), "--own-sockets")
        identity = {
            "agent": "echo",
            "instance": "echo",
            "entry": "benchmarks.tasking.agent:Echo",
            "gateway": f"unix:{self.places.agents_socket}",
            "key": KEY,
            "socket": str(socket),
            "concurrency": 1000,
        }
        self._run("benchmarks.tasking.agent", json.dumps(identity))
        asyncio.run(self._answers())

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(30)

    def _run(self, module: str, *words: str) -> None:
        with (self._folder / f"{module}.log").open("wb") as log:
            command = [sys.executable, "-m", module, *words]
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    async def _answers(self) -> None:
        gateway = Address.parse(self.gateway)
        async with asyncio.timeout(STARTING), Client() as client:
            while True:
                try:
                    await client.call("POST", gateway, "/agents/echo/invoke", {"input": 1})
                    return
                except Exception:  # noqa: BLE001 (not there yet, in whichever way)
                    await asyncio.sleep(0.1)


def run_module(module: str, *words: str) -> Any:
    """What a module of ours prints, as JSON."""
    command = [sys.executable, "-m", f"benchmarks.tasking.{module}", *words]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def durable(house: House, url: str, bare_url: str, count: int) -> dict[str, Any]:
    """The figures of one kind of database, bare DBOS right before and after."""
    bare = [run_module("bare", bare_url.replace("RUN", "1"), str(count))]
    folder = Path(tempfile.mkdtemp(dir=house.places.state))
    figures: dict[str, Any] = run_module("durable", url, str(folder), house.gateway, str(count))
    bare.append(run_module("bare", bare_url.replace("RUN", "2"), str(count)))
    return {**figures, "bare": sum(bare) / 2}


def invocations(house: House, seconds: int) -> float:
    """Calls a second through the front door."""
    if shutil.which("wrk") is None:
        raise LeftOut("wrk is not installed")
    script = house.places.state / "wrk.lua"
    script.write_text(WRK.replace("KEY", KEY))
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", str(script)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{house.door}/invoke"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    if found is None or "Non-2xx" in done.stdout:
        raise LeftOut(f"wrk did not get answers: {done.stdout}")
    return float(found[1])


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    if shutil.which("redis-server") is None:
        raise LeftOut("redis-server is not installed")
    port = free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes"]
    command = ["redis-server", *words, "--dir", str(folder)]
    server = Program(command, port=port, log=folder / "redis.log")
    asyncio.run(server.ready())
    try:
        yield port
    finally:
        server.stop()


def peer(kind: str, port: int, count: int) -> float:
    """Tasks a second by Celery or RQ."""
    programs = environment(CACHE / "tasks", HERE / "requirements.txt")
    command = [str(programs / "python"), str(HERE / "peers.py"), kind, str(port), str(count)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LeftOut(f"{kind} failed: {done.stderr[-500:]}")
    return float(done.stdout.splitlines()[-1])


def measure(count: int, seconds: int) -> dict[str, Any]:
    """All figures, as they are documented above."""
    figures: dict[str, Any] = {"left_out": {}}
    with tempfile.TemporaryDirectory(prefix="szt-", dir="/tmp") as name:
        folder = Path(name)
        house = House(folder)
        house.start()
        try:
            by_kind = {"sqlite": _on_sqlite(house, folder, count)}
            with left_out(figures, "postgres"), postgres() as server:
                urls = [database_url(server.create(each)) for each in ("ours", "bare1", "bare2")]
                bare = urls[1].replace("bare1", "bareRUN")
                by_kind["postgres"] = durable(house, urls[0], bare, count)
            with left_out(figures, "invocations"):
                figures["invocations_per_second"] = round(invocations(house, seconds))
        finally:
            house.stop()
        figures |= _told(by_kind)
        with left_out(figures, "peers"), redis(folder) as port:
            for kind in ("celery", "rq"):
                figures[f"{kind}_per_second"] = round(peer(kind, port, count), 1)
    return figures


def _on_sqlite(house: House, folder: Path, count: int) -> dict[str, Any]:
    bare = sqlite_url(folder / "bareRUN.sqlite")
    return durable(house, sqlite_url(folder / "ours.sqlite"), bare, count)


@contextmanager
def left_out(figures: dict[str, Any], what: str) -> Iterator[None]:
    """Notes why something could not be measured here."""
    try:
        yield
    except (LeftOut, pytest.skip.Exception) as error:
        figures["left_out"][what] = str(error)


def _told(by_kind: dict[str, dict[str, Any]]) -> dict[str, Any]:
    def each(key: str, digits: int = 1) -> dict[str, float]:
        return {kind: round(found[key], digits) for kind, found in by_kind.items()}

    ratios = {
        kind: round(found["per_second"] / found["bare"], 2) for kind, found in by_kind.items()
    }
    started = {
        kind: {name: round(found[name], 2) for name in ("p50", "p99")}
        for kind, found in by_kind.items()
    }
    return {
        "durable_per_second": each("per_second"),
        "bare_dbos_per_second": each("bare"),
        "ratio_bare_dbos": ratios,
        "submit_to_start_ms": started["sqlite"],
        "submit_to_start_ms_postgres": started.get("postgres"),
        "idle_core": each("idle_core", 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    figures = measure(options.tasks, options.seconds)
    text = json.dumps(figures, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text)


if __name__ == "__main__":
    main()
