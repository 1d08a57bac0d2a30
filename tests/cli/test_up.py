"""`sutazai up`, as far as it goes without a whole fleet: what it refuses, and what it leaves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sutazai.cli.config import Config, Listening
from sutazai.cli.fleet_file import accept
from sutazai.cli.folder import write_state
from sutazai.cli.keeper_link import ask_keeper
from sutazai.cli.starting import start_fleet
from sutazai.cli.stopping import stop_fleet
from sutazai.cli.sweep import mark_of, marked
from sutazai.fleet.errors import PortTaken
from sutazai.fleet.places import Places
from tests.cli.conftest import CommandLine, Keeper, Said


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def file() -> Path:
    """A fleet of one agent on free ports, whose model nobody serves."""
    control, gateway, agent = free_ports(3)
    path = Path("fleet.yaml")
    path.write_text(
        f"name: tiny\nports: {{control: {control}, gateway: {gateway}}}\n"
        "backends: {nobody: {url: 'http://127.0.0.1:9'}}\n"
        f"agents: {{writer: {{prompt: You write., temperature: hot, port: {agent}}}}}\n"
    )
    return path


@pytest.fixture
def places() -> Iterator[Places]:
    """Where the fleet of ``file`` keeps its things; nothing of it is left running."""
    found = Places.of(Path(os.environ["XDG_STATE_HOME"]) / "sutazai" / "tiny")
    yield found
    stop_fleet(found)


def config_of(file: Path) -> Config:
    ports = accept(file).fleet.ports
    return Config("tiny", str(file), 0.0, Listening(ports.host, ports.control, ports.gateway))


def up(*words: str) -> Said:
    """`sutazai up` in a process of its own, for it takes over signals."""
    done = subprocess.run(
        [sys.executable, "-m", "sutazai.cli", "up", "--detach", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_a_bad_file_starts_nothing(sutazai: CommandLine, places: Places) -> None:
    Path("fleet.yaml").write_text("name: tiny\nagnets: {}\n")

    said = sutazai("up", "--detach")

    assert said.code == 2
    assert "fleet.yaml:2:1" in said.err
    assert not places.state.exists()


def test_a_port_base_that_does_not_fit_is_bad_input(sutazai: CommandLine, file: Path) -> None:
    said = sutazai("up", "--port-base", "99999")

    assert said.code == 2
    assert "choose a base" in said.err


def test_without_a_model_it_says_what_to_install(sutazai: CommandLine, places: Places) -> None:
    Path("fleet.yaml").write_text(
        "name: tiny\nllm: {model: models/none.gguf, detect_ollama: false}\nagents: {}\n"
    )

    said = sutazai("up", "--detach")

    assert said.code == 6
    assert f"there is no model file {Path('models/none.gguf').absolute()}" in said.err
    assert not places.state.exists()


def test_a_state_folder_full_of_other_things_is_left_alone(file: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o755)
    (precious / "thesis.tex").write_text("…")

    said = up("--state", str(precious))

    assert said.code == 2
    assert "holds other things" in said.err
    assert [each.name for each in precious.iterdir()] == ["thesis.tex"]
    assert precious.stat().st_mode & 0o777 == 0o755


def test_a_taken_port_is_named_with_who_has_it_and_nothing_is_left(
    file: Path, places: Places
) -> None:
    port = accept(file).fleet.ports.gateway

    with socket.create_server(("127.0.0.1", port)):
        said = up()

    assert said.code == 2
    assert f"port {port} on 127.0.0.1 (gateway) is taken by" in said.err
    assert f"(pid {os.getpid()})" in said.err
    assert "--port-base" in said.err
    assert marked(mark_of(places)) == []


def test_the_same_fleet_a_second_time_is_fine_and_says_where_it_is(
    sutazai: CommandLine, file: Path, places: Places
) -> None:
    places.state.mkdir(parents=True)
    write_state(places, accept(file).fleet, config_of(file))
    keeper = Keeper(places)

    said = sutazai("up")

    keeper.die()
    assert said.code == 0
    assert "tiny runs already" in said.out
    assert str(accept(file).fleet.ports.control) in said.out


def test_another_fleet_on_the_same_state_is_a_conflict(
    sutazai: CommandLine, file: Path, places: Places
) -> None:
    places.state.mkdir(parents=True)
    write_state(places, accept(file).fleet, config_of(file))
    keeper = Keeper(places)
    file.write_text(file.read_text().replace("You write.", "You paint."))

    said = sutazai("up")

    keeper.die()
    assert said.code == 5
    assert "sutazai down" in said.err


def test_a_keeper_that_was_killed_is_no_hiding_place(file: Path, places: Places) -> None:
    """Start, kill the keeper, stop: not one process is left, and the sockets are gone."""
    keeper = start_fleet(places, accept(file).fleet, config_of(file), os.environ)
    status = ask_keeper(places, {"op": "status"}, deadline=60)
    names = {listener["name"] for listener in status["listeners"]}
    assert names == {"control", "web", "gateway", "agent:writer"}
    assert {keeper.pid, status["host_pid"]} <= set(marked(mark_of(places)))

    keeper.send_signal(signal.SIGKILL)
    keeper.wait(60)
    assert stop_fleet(places)

    assert marked(mark_of(places)) == []
    assert not [each for each in places.runtime.rglob("*") if each.is_socket()]
    assert not stop_fleet(places)


def test_what_is_kept_is_for_its_owner_only_and_holds_no_secret(
    file: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKEND_KEY", "s3cret")
    file.write_text(file.read_text().replace(":9'", ":9', api_key: '${BACKEND_KEY}'"))

    keeper = start_fleet(places, accept(file).fleet, config_of(file), os.environ)
    token = places.token.read_text()
    environment = Path(f"/proc/{keeper.pid}/environ").read_bytes()
    stop_fleet(places)
    keeper.wait(60)

    assert b"BACKEND_KEY=s3cret" in environment
    for kept in (places.token, places.config, places.fleet, places.state / "keeper.json"):
        assert kept.stat().st_mode & 0o777 == 0o600
        assert "s3cret" not in kept.read_text()
    assert places.state.stat().st_mode & 0o777 == 0o700
    assert len(token) > 40


def test_the_token_outlives_a_restart(file: Path, places: Places) -> None:
    places.state.mkdir(parents=True)
    write_state(places, accept(file).fleet, config_of(file))
    token = places.token.read_text()

    write_state(places, accept(file).fleet, config_of(file))

    assert places.token.read_text() == token
    assert json.loads(places.fleet.read_text())["name"] == "tiny"


def test_a_start_that_fails_in_the_keeper_keeps_its_kind(file: Path, places: Places) -> None:
    fleet = accept(file).fleet

    with (
        socket.create_server(("127.0.0.1", fleet.ports.control)),
        pytest.raises(PortTaken) as taken,
    ):
        start_fleet(places, fleet, config_of(file), os.environ)

    assert taken.value.data["pid"] == os.getpid()
