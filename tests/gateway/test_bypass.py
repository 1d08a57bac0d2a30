"""Programs that speak to a backend past the gateway are found and named."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sutazai.gateway.bypass import (
    COMMAND_MAX,
    Bypass,
    Direct,
    clients_of,
    local_ports,
    look,
    shortened,
)
from sutazai.gateway.sockets import State, parse_sockets

HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
)
FOREIGN = 4_000_000
"""A user id that this test does not run under."""

PROGRAM = "import socket as s, sys; c = s.create_connection(('127.0.0.1', int(sys.argv[1]))); "
PROGRAM += "print('connected', flush=True); sys.stdin.read()"


def row(
    local: str, remote: str, *, state: State = State.ESTABLISHED, uid: int = 0, inode: str
) -> str:
    """One line of the kernel's table, with addresses as ``127.0.0.1:80``."""
    return (
        f"   0: {_packed(local)} {_packed(remote)} {state.value} 00000000:00000000 00:00000000 "
        f"00000000 {uid:>5}        0 {inode} 1 0000000000000000 20 4 30 10 -1\n"
    )


def _packed(place: str) -> str:
    host, _, port = place.rpartition(":")
    if host.startswith("::ffff:"):
        head = "0000000000000000FFFF0000"
        return head + _packed(f"{host.removeprefix('::ffff:')}:{port}")
    numbers = [int(part) for part in host.split(".")]
    return "".join(f"{number:02X}" for number in reversed(numbers)) + f":{int(port):04X}"


def machine(folder: Path, *rows: str) -> Path:
    """A `/proc` in which nobody's descriptors can be read."""
    (folder / "net").mkdir(parents=True)
    (folder / "net/tcp").write_text(HEAD + "".join(rows))
    return folder


SERVER = row("127.0.0.1:11434", "0.0.0.0:0", state=State.LISTENING, uid=FOREIGN, inode="1")
ACCEPTED = row("127.0.0.1:11434", "127.0.0.1:40000", uid=FOREIGN, inode="2")
CLIENT = row("127.0.0.1:40000", "127.0.0.1:11434", uid=FOREIGN + 1, inode="3")


def test_tables_are_read_for_the_ports_asked_for() -> None:
    other = row("127.0.0.1:80", "127.0.0.1:40001", inode="9")
    waiting = CLIENT.replace(" 01 ", " 06 ")

    found = list(parse_sockets(HEAD + SERVER + ACCEPTED + CLIENT + other + waiting, [11434]))

    assert [(each.state, each.local, each.remote, each.uid, each.inode) for each in found] == [
        (State.LISTENING, ("127.0.0.1", 11434), ("0.0.0.0", 0), FOREIGN, "1"),
        (State.ESTABLISHED, ("127.0.0.1", 11434), ("127.0.0.1", 40000), FOREIGN, "2"),
        (State.ESTABLISHED, ("127.0.0.1", 40000), ("127.0.0.1", 11434), FOREIGN + 1, "3"),
    ]


@pytest.mark.parametrize("line", ["", "nonsense :2CAA ", "0: XX:2CAA YY:2CAA 01 0 0 0 0 0 0 0\n"])
def test_lines_that_make_no_sense_are_passed_over(line: str) -> None:
    assert list(parse_sockets(HEAD + line, [11434])) == []


def test_a_connection_over_ipv4_to_a_server_on_ipv6_is_one_connection() -> None:
    accepted = row("::ffff:127.0.0.1:11434", "::ffff:127.0.0.1:40000", inode="2")

    ends = clients_of(11434, parse_sockets(HEAD + accepted + CLIENT, [11434]))

    assert [end.inode for end in ends.here] == ["3"]
    assert ends.elsewhere == ()


def test_a_call_to_the_same_port_of_another_machine_is_no_concern_of_ours() -> None:
    away = row("10.0.0.2:40000", "10.0.0.9:11434", inode="3")

    ends = clients_of(11434, parse_sockets(HEAD + SERVER + away, [11434]))

    assert (ends.here, ends.elsewhere) == ((), ())


def test_who_cannot_be_looked_at_is_told_as_another_users(tmp_path: Path) -> None:
    proc = machine(tmp_path, SERVER, ACCEPTED, CLIENT)

    found = look([11434], proc)

    assert found == {11434: (Direct(None, "another user's", f"user {FOREIGN + 1}"),)}


def test_who_calls_from_elsewhere_is_told_by_address(tmp_path: Path) -> None:
    far = row("10.0.0.2:11434", "10.0.0.7:50000", inode="2")
    again = row("10.0.0.2:11434", "10.0.0.7:50001", inode="4")

    found = look([11434], machine(tmp_path, SERVER, far, again))

    place = "not on this machine, or in a container"
    assert found == {11434: (Direct(None, place, "from 10.0.0.7"),)}


def test_a_machine_without_such_tables_shows_nothing(tmp_path: Path) -> None:
    assert look([11434], tmp_path) == {11434: ()}


def test_only_tcp_backends_of_this_machine_are_looked_at() -> None:
    addresses = ["http://localhost:1", "http://[::1]:2", "https://far:3", "unix:/run/x.sock"]

    assert local_ports(addresses) == {1, 2}


@contextmanager
def server() -> Iterator[int]:
    """A server in a process of its own; gives its port."""
    program = (
        "import socket, threading\n"
        "listening = socket.create_server(('127.0.0.1', 0))\n"
        "print(listening.getsockname()[1], flush=True)\n"
        "held = []\n"
        "while True: held.append(listening.accept())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    with process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def program(port: int, *words: str) -> Iterator[int]:
    """A program that holds a connection; gives its process id."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"connected\n"
            yield process.pid
        finally:
            process.kill()


def test_a_program_is_named_and_the_gateway_itself_is_not() -> None:
    with ExitStack() as stack:
        port = stack.enter_context(server())
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))  # the gateway's
        pid = stack.enter_context(program(port))

        (direct,) = look([port])[port]

    assert direct.pid == pid
    assert direct.name.startswith("python")
    assert direct.command.startswith(sys.executable)
    assert len(direct.command) == COMMAND_MAX and direct.command.endswith("…")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["aider", "--api-key", "sk-hunter2", "."], "aider --api-key … ."),
        (["x", "OPENAI_API_KEY=hunter2"], "x OPENAI_API_KEY=…"),
        (["x", "--password=hunter2\n"], "x --password=…"),
        (["x", "-H", "authorization: Bearer hunter2"], "x -H authorization: Bearer …"),
        (["x\ty", "\x1b[0m"], "x y  [0m"),
    ],
)
def test_what_looks_like_a_secret_is_left_out(words: list[str], shown: str) -> None:
    assert shortened(words) == shown


def test_a_program_with_many_connections_is_named_once() -> None:
    with ExitStack() as stack:
        port = stack.enter_context(server())
        pids = {stack.enter_context(program(port)) for _ in range(2)}

        found = look([port])[port]

    assert {direct.pid for direct in found} == pids
    assert os.getpid() not in pids


async def test_whoever_is_new_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    with ExitStack() as stack:
        port = stack.enter_context(server())
        bypass = Bypass(lambda: [port], clock=lambda: now)
        assert await bypass.found() == {port: ()}
        pid = stack.enter_context(program(port))

        with caplog.at_level(logging.WARNING):
            assert await bypass.found() == {port: ()}  # that look was good for a moment
            now += 60
            found = await bypass.found()
            now += 60
            await bypass.found()

    assert [direct.pid for direct in found[port]] == [pid]
    (record,) = caplog.records
    assert f"process {pid}) speaks to the backend on port {port} directly" in record.message


async def test_it_looks_by_itself_until_it_is_told_to_stop(tmp_path: Path) -> None:
    looked = asyncio.Event()

    def ports() -> list[int]:
        looked.set()
        return [11434]

    running = asyncio.create_task(Bypass(ports, proc=tmp_path).run())
    await asyncio.wait_for(looked.wait(), 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
