"""What engines tell, read: output, its position, ends, addresses, sockets."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.host.containers.attaching import address_of, runs_elsewhere
from sutazai.host.containers.contained import ending_of, with_verdict
from sutazai.host.containers.engine import FLEET
from sutazai.host.containers.frames import Frames, Lines
from sutazai.host.containers.position import Position, Reader
from sutazai.host.containers.sockets import engine_socket, missing_engine
from sutazai.host.instances.exits import Ending
from sutazai.host.limits import Usage, judge

MIB = 1024**2
T1, T2 = "2026-11-21T17:09:48Z", "2026-11-21T17:09:49.5+00:00"


def frame(output: int, content: bytes) -> bytes:
    return bytes([output, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


@given(st.lists(st.tuples(st.integers(1, 2), st.binary(max_size=40))), st.data())
def test_frames_are_found_however_the_bytes_come(
    pieces: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(frame(*piece) for piece in pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    frames, found = Frames(terminal=False), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += frames.feed(stream[start:end])

    assert found == pieces


def test_a_terminal_has_lines_and_no_frames() -> None:
    frames = Frames(terminal=True)

    assert frames.feed(b"one\r\ntw") == [(0, b"one\r\n")]
    assert frames.feed(b"o\n") == [(0, b"two\n")]


def test_lines_are_put_together_of_each_output_by_itself() -> None:
    lines = Lines()

    assert lines.add(1, "asked ") == []
    assert lines.add(2, "oh\r\n") == ["oh"]
    assert lines.pending
    assert lines.add(1, "for tea\n") == ["asked for tea"]
    assert not lines.pending
    assert (lines.add(1, "last"), lines.rest(), lines.rest()) == ([], ["last"], [])


def test_a_new_reader_goes_on_where_the_last_one_was_though_times_are_the_same() -> None:
    said = [f"{T1} a", f"{T1} b", f"{T1} c", f"{T2} d", f"{T2} e"]
    for read in range(len(said) + 1):
        first = Reader(Position())
        before = [first.new(line.encode()) for line in said[:read]]
        second = Reader(Position.parse(str(first.position)))
        after = [second.new(line.encode()) for line in said]

        assert [*before, *(text for text in after if text is not None)] == list("abcde")


def test_a_position_that_cannot_be_read_is_the_beginning() -> None:
    assert Position.parse("") == Position.parse("yesterday 3") == Position()
    assert Position().since == 0
    assert Position(T1, 1).since == Position.parse(f"{T1} 1").since > 0


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        (0, Ending(status=0)),
        (17, Ending(status=17)),
        (137, Ending(signal="SIGKILL")),
        (143, Ending(signal="SIGTERM")),
    ],
)
def test_ends(code: int, ending: Ending) -> None:
    assert ending_of({"State": {"ExitCode": code}}) == ending


def test_an_end_of_which_nobody_knows() -> None:
    assert ending_of(None) == Ending()
    assert with_verdict(None, None) is None


def test_an_engine_that_saw_it_die_for_want_of_memory_is_believed() -> None:
    facts = {"State": {"ExitCode": 137, "OOMKilled": True}, "HostConfig": {"Memory": 64 * MIB}}

    verdict = judge(ending_of(facts), with_verdict(None, facts))

    assert verdict.out_of_memory
    assert verdict.reason == "out of memory: peak 64MiB of 64MiB"


def test_one_that_did_not_is_not_asked_again() -> None:
    facts = {"State": {"ExitCode": 137, "OOMKilled": False}, "HostConfig": {"Memory": 64 * MIB}}
    counted = Usage(peak=64 * MIB, limit=64 * MIB, oom_kills=1)

    assert not judge(ending_of(facts), with_verdict(Usage(), facts)).out_of_memory
    assert judge(ending_of(facts), with_verdict(counted, facts)).out_of_memory


@pytest.mark.parametrize(
    ("mode", "ports", "port", "address"),
    [
        ("host", {}, 9000, "http://127.0.0.1:9000"),
        ("host", {}, None, None),
        ("n", {"8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": "81"}]}, 8080, "http://127.0.0.1:81"),
        ("n", {"8080/tcp": [{"HostIp": "10.1.1.1", "HostPort": "81"}]}, None, "http://10.1.1.1:81"),
        ("n", {"80/tcp": [{"HostIp": "::", "HostPort": "1"}]}, 80, "http://127.0.0.1:1"),
        ("n", {"8080/tcp": None}, 8080, "http://172.18.0.5:8080"),
        ("n", None, None, None),
    ],
)
def test_where_a_running_container_is_reached(
    mode: str, ports: dict[str, object] | None, port: int | None, address: str | None
) -> None:
    facts = {
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Ports": ports, "Networks": {"n": {"IPAddress": "172.18.0.5"}}},
    }

    assert address_of(facts, port) == address


def test_whose_a_running_container_is() -> None:
    ours = {"State": {"Running": True}, "Config": {"Labels": {FLEET: "/here"}}}
    theirs = {"State": {"Running": True}, "Config": {"Labels": None}}
    ended = {"State": {"Running": False}, "Config": {"Labels": None}}

    assert [runs_elsewhere(one, "/here") for one in (ours, theirs, ended, None)] == [
        False, True, False, False,
    ]  # fmt: skip


def test_the_engine_is_where_docker_host_says(tmp_path: Path) -> None:
    place = tmp_path / "e.sock"
    environ = {"DOCKER_HOST": f"unix://{place}"}

    assert engine_socket(environ) is None
    assert (
        missing_engine(environ)
        == f"a container engine (Docker or Podman) at DOCKER_HOST=unix://{place}"
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        assert engine_socket(environ) == place
        assert missing_engine(environ) is None


def test_engines_of_other_machines_are_not_used() -> None:
    assert engine_socket({"DOCKER_HOST": "tcp://elsewhere:2375"}) is None


def test_a_rootless_engine_is_found(tmp_path: Path) -> None:
    place = tmp_path / "podman" / "podman.sock"
    place.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        found = engine_socket({"XDG_RUNTIME_DIR": str(tmp_path)})
        assert found in (place, Path("/var/run/docker.sock"))
