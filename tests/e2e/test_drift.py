"""Drift, planted by hand on a real fleet: found within seconds, put right where that is told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.asking import agent_of, ask_control, status_of
from tests.e2e.fleet import Fleet, eventually, running
from tests.gateway.fake_ollama import MODEL, installed
from tests.ports import free_port

pytestmark = pytest.mark.timeout(600)

TEAPOT = """
from sutazai.agent import Agent

class Tea(Agent):
    async def run(self, task):
        return "tea"
"""


class Ollama:
    """A server of somebody else's, started with the settings that a test wants."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._program = installed(folder)
        self.digest = folder / "digest"
        self.digest.write_text("sha256:first")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, parallel: int) -> None:
        told = {
            "OLLAMA_HOST": f"127.0.0.1:{self.port}",
            "OLLAMA_NUM_PARALLEL": str(parallel),
            "FAKE_DIGEST": str(self.digest),
        }
        self._process = subprocess.Popen(
            [self._program, "serve"], env={**os.environ, **told}, stdout=subprocess.DEVNULL
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drift")
    (folder / "teapot.py").write_text(TEAPOT)
    (folder / "secret").write_text("first")
    return folder


@pytest.fixture(scope="module")
def ollama(folder: Path) -> Iterator[Ollama]:
    ollama = Ollama(folder)
    ollama.start(parallel=4)
    yield ollama
    ollama.stop()


def declare(folder: Path, ollama: Ollama, heal: str) -> None:
    """Two agents: one of ours, and a program with a secret."""
    program = [sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"]
    python = {"class": "teapot:Tea", "temperature": "hot"}
    command = {
        "runtime": "command",
        "command": program,
        "temperature": "hot",
        "memory": "256MiB",
        "environment": {"SECRET": "file:secret"},
    }
    healed = ("version", "environment", "limits", "code")
    told = ("model", "backend", "port")
    rules = {**{kind: {"heal": heal} for kind in healed}, **{kind: {} for kind in told}}
    declared = {
        "name": "drifting",
        "backends": {
            "own": {
                "url": f"http://127.0.0.1:{ollama.port}",
                "dialect": "ollama",
                "slots": 4,
            }
        },
        "agents": {"teapot": python, "program": command},
        "drift": {kind: {**rule, "every": "1s"} for kind, rule in rules.items()},
    }
    (folder / "fleet.yaml").write_text(json.dumps(declared))


@pytest.fixture(scope="module")
def fleet(folder: Path, ollama: Ollama) -> Iterator[Fleet]:
    declare(folder, ollama, "report")
    with running(folder / "fleet.yaml") as fleet:
        eventually(lambda: is_calm(fleet), 60, "all kinds were looked at, and nothing drifts")
        yield fleet


def report(fleet: Fleet) -> dict[str, Any]:
    """What drifts; empty while control starts anew."""
    return ask_control(fleet, "GET", "/drift") or {}


def is_calm(fleet: Fleet) -> bool:
    seen = report(fleet)
    return len(seen.get("by_kind", ())) == 7 and not seen["findings"] and seen["checked"] > 0


def finding(fleet: Fleet, kind: str) -> dict[str, Any] | None:
    found = [one for one in report(fleet).get("findings", ()) if one["kind"] == kind]
    return found[0] if found else None


def found(fleet: Fleet, kind: str, planted: float) -> dict[str, Any]:
    """The finding, and how long it took on standard output, for whoever reads the log."""
    one: dict[str, Any] = eventually(lambda: finding(fleet, kind), 60, f"{kind} is found")
    print(f"{kind} was found after {one['since'] - planted:.1f} s: {one['what']}, {one['seen']}")
    return one


def instance_of(fleet: Fleet, agent: str) -> dict[str, Any]:
    one: dict[str, Any] = agent_of(fleet, agent)["instances"][0]
    return one


def plant_version(fleet: Fleet) -> None:
    """Somebody tells the host something else, under the number of what it should have."""
    path = fleet.state / "desired.json"
    desired = json.loads(path.read_text())
    for unit in desired["units"]:
        if unit["name"] == "teapot":
            unit["version"] = "planted"
    socket_path = next(fleet.folder.glob("sutazai/*/host.sock"))
    body = json.dumps(desired).encode()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(socket_path))
        head = f"PUT /desired HTTP/1.1\r\nhost: h\r\ncontent-length: {len(body)}\r\n\r\n"
        peer.sendall(head.encode() + body)
        assert peer.recv(64).startswith(b"HTTP/1.1 200")


def plant_limit(fleet: Fleet) -> None:
    """Twice the memory, written straight into the kernel's file."""
    groups = json.loads(next(fleet.folder.glob("sutazai/*/groups.json")).read_text())
    group = Path(groups["parents"]["memory"]) / instance_of(fleet, "program")["instance"]
    for name in ("memory.memsw.limit_in_bytes", "memory.limit_in_bytes", "memory.max"):
        if (group / name).exists():
            (group / name).write_text(str(512 * 1024**2))


def heal(fleet: Fleet, folder: Path, ollama: Ollama) -> None:
    """From now on drift is put right."""
    (folder / "teapot.py").write_text(TEAPOT)  # else `apply` would begin a rollout
    declare(folder, ollama, "auto")
    fleet.must("apply", str(folder / "fleet.yaml"))


def has_limits(fleet: Fleet) -> bool:
    return bool(status_of(fleet)["limits"] != "accounting")


def healed(fleet: Fleet) -> set[str]:
    """The kinds of which something was put right."""
    events: Any = ask_control(fleet, "GET", "/events?after=0") or []
    return {one["message"].partition(":")[0] for one in events if one["kind"] == "drift-healed"}


def test_a_version_that_nobody_planned(fleet: Fleet) -> None:
    plant_version(fleet)
    one = found(fleet, "version", time.time())
    assert (one["unit"], one["seen"]) == ("teapot", "planted")


def test_a_secret_that_was_changed(fleet: Fleet, folder: Path) -> None:
    (folder / "secret").write_text("second")
    one = found(fleet, "environment", time.time())
    assert (one["unit"], one["what"], one["seen"]) == ("program", "SECRET", "another value")
    said = fleet.must("drift", "--json")
    assert one in json.loads(said)["findings"] and "second" not in said


def test_a_limit_that_was_raised(fleet: Fleet) -> None:
    if not has_limits(fleet):
        pytest.skip("no limits are held here")
    plant_limit(fleet)
    one = found(fleet, "limits", time.time())
    assert (one["unit"], one["expected"], one["seen"]) == ("program", "256MiB", "512MiB")


def test_code_that_was_edited(fleet: Fleet, folder: Path) -> None:
    (folder / "teapot.py").write_text(TEAPOT.replace('"tea"', '"more tea"'))
    assert found(fleet, "code", time.time())["unit"] == "teapot"


def test_another_model_under_the_same_name(fleet: Fleet, ollama: Ollama) -> None:
    ollama.digest.write_text("sha256:second")
    one = found(fleet, "model", time.time())
    assert (one["unit"], one["what"]) == ("own", MODEL)
    assert (one["expected"], one["seen"]) == ("sha256:first", "sha256:second")


@pytest.mark.soak
def test_a_backend_with_other_settings(fleet: Fleet, ollama: Ollama) -> None:
    ollama.stop()
    ollama.start(parallel=2)
    one = found(fleet, "backend", time.time())
    assert (one["what"], one["expected"], one["seen"]) == ("OLLAMA_NUM_PARALLEL", "4", "2")


@pytest.mark.soak
def test_a_stranger_on_a_port_of_the_fleet(fleet: Fleet) -> None:
    port = agent_of(fleet, "teapot")["port"]
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.2"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as stranger:
        try:
            one = found(fleet, "port", time.time())
        finally:
            stranger.kill()
        assert (one["unit"], one["what"]) == ("teapot", str(port))
        assert f"process {stranger.pid}" in one["seen"]
    eventually(lambda: finding(fleet, "port") is None, 60, "it is gone again")


def test_instances_are_restarted_once_that_is_told(
    fleet: Fleet, folder: Path, ollama: Ollama
) -> None:
    before = instance_of(fleet, "program")["instance"]
    (folder / "secret").write_text("third")
    kinds = {"environment"}
    if has_limits(fleet):
        plant_limit(fleet)
        kinds.add("limits")
    for kind in kinds:
        found(fleet, kind, time.time())

    told = time.time()
    heal(fleet, folder, ollama)

    eventually(lambda: kinds <= healed(fleet), 120, "all of that is put right")
    print(f"put right after {time.time() - told:.1f} s")
    assert instance_of(fleet, "program")["instance"] != before


@pytest.mark.soak
def test_a_host_that_was_told_something_else_is_told_again(
    fleet: Fleet, folder: Path, ollama: Ollama
) -> None:
    heal(fleet, folder, ollama)

    def put_right() -> bool:
        if "version" in healed(fleet):
            return True
        plant_version(fleet)  # again where the host had yet to be told of what `heal` applied
        return False

    eventually(put_right, 120, "it is put right", every=5.0)
    eventually(lambda: instance_of(fleet, "teapot")["version"] != "planted", 60, "and stays so")


@pytest.mark.soak
def test_edited_code_is_accepted_and_rolled_out_once_that_is_told(
    fleet: Fleet, folder: Path, ollama: Ollama
) -> None:
    heal(fleet, folder, ollama)
    (folder / "teapot.py").write_text(TEAPOT.replace('"tea"', '"green tea"'))

    eventually(lambda: "code" in healed(fleet), 120, "it is accepted")

    newest = json.loads(fleet.must("history", "--json"))[0]
    assert (newest["author"], newest["reason"]) == ("drift", "code on disk of teapot")
    rollout = json.loads(fleet.must("rollout", "status", "--json"))
    assert rollout["state"]["after"] == newest["number"]
