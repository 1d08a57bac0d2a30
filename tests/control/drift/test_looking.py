"""What this machine tells: code on disk, and who listens on the fleet's ports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sutazai.control.drift.code import CodeOnDisk
from sutazai.control.drift.ports import PortWatch
from sutazai.fleet.code import codes_of
from sutazai.fleet.spec import Agent, Fleet

LISTENS = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
"""


def agents(**entries: str) -> dict[str, Agent]:
    return {name: Agent(class_=entry) for name, entry in entries.items()}


def test_code_on_disk_has_the_digests_that_were_accepted(tmp_path: Path) -> None:
    (tmp_path / "tea.py").write_text("a = 1\n")
    (tmp_path / "pots").mkdir()
    (tmp_path / "pots" / "pot.py").write_text("b = 1\n")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("httpx\n")
    declared = {
        **agents(tea="tea:Tea", pot="pots.pot:Pot", role="nowhere:Role"),
        "own": Agent(class_="tea:Tea", requirements="requirements.txt"),
        "program": Agent(runtime="command", command=("true",)),
    }
    fleet, code = Fleet(name="f", agents=declared), CodeOnDisk(declared, tmp_path)

    def is_the_same() -> bool:
        return code.look() == codes_of(fleet, tmp_path)

    first = code.look()
    assert set(first) == {"tea", "pot", "own"} and is_the_same()
    for file in (tmp_path / "tea.py", tmp_path / "pots" / "pot.py", requirements):
        file.write_text(file.read_text() + "\n# edited\n")
        assert is_the_same()
    assert all(digest != first[name] for name, digest in code.look().items())
    (tmp_path / "tea.py").unlink()
    assert is_the_same()


def test_code_is_read_again_only_where_a_file_changed(tmp_path: Path) -> None:
    file = tmp_path / "tea.py"
    file.write_text("a = 1\n")
    code = CodeOnDisk(agents(tea="tea:Tea"), tmp_path)
    before, told = code.look(), file.stat()

    file.write_text("a = 2\n")
    os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert code.look() == before, "nobody would do that by accident"
    file.touch()
    assert code.look() != before


@pytest.fixture
def listening() -> Iterator[tuple[int, int]]:
    """Process and port of a program that listens."""
    command = [sys.executable, "-c", LISTENS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.communicate()


def test_a_listener_is_a_stranger_unless_it_comes_from_us(listening: tuple[int, int]) -> None:
    pid, port = listening
    (stranger,) = PortWatch([port]).look({pid + 10**7})
    assert (stranger.port, stranger.host, stranger.pid) == (port, "127.0.0.1", pid)
    assert "create_server" in stranger.command

    assert not PortWatch([port]).look({pid})
    assert not PortWatch([port]).look({os.getpid()}), "it is a child of ours"
    assert not PortWatch([port + 1]).look({pid + 10**7})


def test_a_stranger_may_turn_out_to_be_ours(listening: tuple[int, int]) -> None:
    pid, port = listening
    watch = PortWatch([port])
    assert watch.look({pid + 10**7})
    assert not watch.look({pid}), "it is known by now"


def test_one_that_came_to_a_known_port_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        watch = PortWatch([port])
        assert not watch.look({os.getpid()})
        with socket.create_server(("127.0.0.2", port)):
            assert not watch.look({os.getpid()})
            assert PortWatch([port]).look({1 << 22})


async def test_the_report_is_asked_for_over_the_api(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/drift")
    assert answer.status_code == 200
    assert set(answer.json()) >= {"score", "checked", "findings", "healed", "unchecked"}
