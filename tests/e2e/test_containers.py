"""A fleet with containers: they answer, are held to their limits, survive the host, and go."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet, eventually, running
from tests.host.containers.podman import IMAGE, Podman, podman_or_skip, write_program

FLEET = """
name: contained
backends:
  fake: {{url: "{model}"}}
agents:
  crawler: {{network: host, temperature: hot, memory: 128MiB, {program}}}
  bridged: {{container_port: 8080, temperature: cold, memory: 128MiB, {program}}}
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Podman]:
    with podman_or_skip() as running:
        yield running


@pytest.fixture(scope="module")
def fleet(
    engine: Podman, tmp_path_factory: pytest.TempPathFactory, steady_model: Model
) -> Iterator[Fleet]:
    folder: Path = tmp_path_factory.mktemp("contained")
    command, volumes = write_program(folder / "agent")
    program = (
        f"runtime: container, image: {json.dumps(IMAGE)}, command: {json.dumps(command)}, "
        f"volumes: {json.dumps(volumes)}, "
        "health: {path: /health, interval: 1s, grace: 60s}"
    )
    (folder / "fleet.yaml").write_text(FLEET.format(program=program, model=steady_model.url))
    with running(folder / "fleet.yaml", DOCKER_HOST=engine.host) as fleet:
        yield fleet


def call(fleet: Fleet, agent: str, method: str, path: str, value: Any = None) -> Any:
    """What an agent answers at its front door."""
    url = f"http://127.0.0.1:{fleet.agent(agent)['port']}{path}"
    headers = {"authorization": f"Bearer {fleet.token}"}
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.request(method, url, headers=headers, json=value).json()


def ask(fleet: Fleet, agent: str, text: str) -> str:
    return str(call(fleet, agent, "POST", "/invoke", {"input": text}))


def healthy(fleet: Fleet) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        agent = fleet.agent("crawler")
        return agent if agent["state"] == "healthy" else None

    agent: dict[str, Any] = eventually(found, 60, "the container is healthy")
    return agent


def containers(fleet: Fleet, engine: Podman) -> list[str]:
    with engine.api() as api:
        label = f"sutazai.fleet={fleet.state}"
        return [each["Id"] for each in api.containers(all=True, filters={"label": label})]


def networks(engine: Podman) -> list[str]:
    with engine.api() as api:
        return [each["Name"] for each in api.networks() if each["Name"].startswith("sutazai-")]


def test_a_container_answers_through_its_front_door(fleet: Fleet) -> None:
    healthy(fleet)

    assert "TEA" in ask(fleet, "crawler", "tea")
    assert "asked for tea" in fleet.must("agents", "logs", "crawler")


def test_a_memory_hog_dies_alone_and_the_reason_is_told(fleet: Fleet) -> None:
    before = healthy(fleet)
    ask(fleet, "crawler", "hog")

    eventually(lambda: fleet.agent("crawler")["restarts"] > before["restarts"], 60)
    after = healthy(fleet)
    assert after["last_exit"]["out_of_memory"]
    assert "out of memory: peak" in after["last_exit"]["reason"]
    assert "137" not in fleet.must("events")


def test_a_killed_host_goes_on_with_its_containers(fleet: Fleet, engine: Podman) -> None:
    before, made = healthy(fleet), containers(fleet, engine)
    [host] = [pid for pid in fleet.processes() if b"sutazai.host" in words(pid)]
    os.kill(host, signal.SIGKILL)
    eventually(lambda: "goes on" in fleet.cli("events").stdout, 30, "the container is adopted")

    after = healthy(fleet)
    assert after["instances"][0]["instance"] == before["instances"][0]["instance"]
    assert after["restarts"] == 0
    assert containers(fleet, engine) == made
    assert "TEA" in ask(fleet, "crawler", "tea")


def words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_on_the_bridge_it_reaches_the_gateway_and_only_with_its_key(
    fleet: Fleet, engine: Podman
) -> None:
    if reason := engine.why_no_bridge():
        pytest.skip(f"no bridge here: {reason}")
    assert "TEA" in ask(fleet, "bridged", "tea")  # it is woken by that

    told = call(fleet, "bridged", "GET", "/environment")
    gateway = told["environment"]["OPENAI_BASE_URL"]
    assert told["environment"]["PORT"] == "8080"
    assert told["environment"]["OLLAMA_HOST"].startswith(gateway.removesuffix("/v1") + "/key/")
    assert call(fleet, "bridged", "GET", "/call")["object"] == "list"
    assert httpx.get(f"{gateway}/models", trust_env=False).status_code == 401
    assert httpx.get(f"{fleet.gateway}/v1/models", trust_env=False).status_code == 200


def test_down_leaves_nothing_in_the_engine(fleet: Fleet, engine: Podman) -> None:
    assert containers(fleet, engine)

    fleet.must("down")

    assert containers(fleet, engine) == []
    assert networks(engine) == []
    assert fleet.processes() == []
