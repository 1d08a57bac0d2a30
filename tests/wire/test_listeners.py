"""Listening sockets from a keeper."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.errors import BadPeer, ConnectFailed, DeadlineExceeded, PeerClosed, PortTaken
from sutazai.wire import Address, Client, ListenerSpec, Server, fetch_listeners
from tests.keeper.machine import Machine
from tests.wire.handlers import describe

LOOP = "127.0.0.1"


class FakeKeeper:
    """Answers each request by ``answer``, which is given the connection and the request."""

    def __init__(self, path: Path, answer: Callable[[socket.socket, Any], None]) -> None:
        self.path = path
        self.requests: list[Any] = []
        self._answer = answer
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.bind(str(path))
        self._sock.listen()
        self._sock.setblocking(False)

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(self._sock)
        with connection:
            connection.setblocking(False)
            data = b""
            while received := await loop.sock_recv(connection, 65536):
                data += received
                if data.endswith(b"\n"):
                    self.requests.append(json.loads(data))
                    self._answer(connection, self.requests[-1])
                    data = b""

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    made = [socket.create_server((LOOP, 0)) for _ in range(5)]
    yield made
    for sock in made:
        sock.close()


async def fetch(
    folder: Path,
    answer: Callable[[socket.socket, Any], None],
    wanted: Sequence[ListenerSpec],
    deadline: float = 5.0,
) -> tuple[FakeKeeper, dict[str, socket.socket]]:
    keeper = FakeKeeper(folder / "keeper.sock", answer)
    serving = asyncio.create_task(keeper.serve())
    try:
        return keeper, await fetch_listeners(keeper.path, wanted, deadline=deadline)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        keeper.close()


def specs(count: int) -> list[ListenerSpec]:
    return [ListenerSpec(f"door-{number}", LOOP, 10300 + number) for number in range(count)]


async def test_sockets_come_by_name_in_batches(folder: Path, sockets: list[socket.socket]) -> None:
    def give(connection: socket.socket, request: Any) -> None:
        given = [sockets[spec["port"] % 5].fileno() for spec in request["listeners"]]
        reply = json.dumps({"ok": True, "ports": [1] * len(given)}).encode() + b"\n"
        socket.send_fds(connection, [reply[:7]], given)
        connection.send(reply[7:])

    keeper, found = await fetch(folder, give, specs(450))
    assert [len(request["listeners"]) for request in keeper.requests] == [200, 200, 50]
    assert keeper.requests[0]["op"] == "listen"
    assert keeper.requests[0]["listeners"][1] == {"name": "door-1", "host": LOOP, "port": 10301}
    assert list(found) == [spec.name for spec in specs(450)]
    for number, sock in enumerate(found.values()):
        assert sock.getsockname() == sockets[(10300 + number) % 5].getsockname()
        assert not sock.get_inheritable()
        sock.close()


async def test_nothing_wanted_is_nothing_asked(folder: Path) -> None:
    keeper, found = await fetch(folder, lambda *_: None, [])
    assert (keeper.requests, found) == ([], {})


async def test_the_keepers_error_is_raised_here(folder: Path) -> None:
    error = {"code": "PortTaken", "message": "taken", "hint": "another", "data": {"port": 1}}

    def refuse(connection: socket.socket, request: Any) -> None:
        connection.send(json.dumps({"error": error}).encode() + b"\n")

    with pytest.raises(PortTaken) as caught:
        await fetch(folder, refuse, specs(1))
    assert (caught.value.hint, caught.value.data) == ("another", {"port": 1})


async def test_sockets_of_a_failed_request_are_closed(
    folder: Path, sockets: list[socket.socket]
) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def give_then_refuse(connection: socket.socket, request: Any) -> None:
        if len(request["listeners"]) == 200:
            reply = b'{"ok": true}\n'
            socket.send_fds(connection, [reply], [sockets[0].fileno()] * 200)
        else:
            socket.send_fds(connection, [b'{"ok": true}\n'], [sockets[0].fileno()])

    before = open_files()
    with pytest.raises(BadPeer):
        await fetch(folder, give_then_refuse, specs(203))
    assert open_files() == before


@pytest.mark.parametrize(
    "reply",
    [b"nonsense\n", b"[]\n", b"{}\n", b'{"ok": true}\n', b'{"ok": false}\n', b"x" * 300_000],
)
async def test_a_keeper_that_speaks_nonsense_is_said_so(folder: Path, reply: bytes) -> None:
    ended = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(reply)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_unix_server(speak, folder / "keeper.sock")
    with pytest.raises(BadPeer):
        await fetch_listeners(folder / "keeper.sock", specs(1))
    async with asyncio.timeout(60):
        await ended.wait()
    server.close()


async def test_a_keeper_that_goes_or_is_not_there_is_said_so(folder: Path) -> None:
    with pytest.raises(ConnectFailed):
        await fetch_listeners(folder / "none", specs(1))

    def leave(connection: socket.socket, request: Any) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    with pytest.raises(PeerClosed):
        await fetch(folder, leave, specs(1))


async def test_a_keeper_that_does_not_answer_is_given_up(folder: Path) -> None:
    with pytest.raises(DeadlineExceeded):
        await fetch(folder, lambda *_: None, specs(1), deadline=0.05)


async def test_the_real_keeper_hands_out_sockets_that_serve(
    sockets: list[socket.socket],
) -> None:
    machine = Machine()
    try:
        await asyncio.to_thread(machine.start)
        path = machine.runtime / "keeper.sock"
        first = await fetch_listeners(path, [ListenerSpec("gateway", LOOP, 0)])
        again = await fetch_listeners(path, [ListenerSpec("gateway", LOOP, 0)])
        assert first["gateway"].getsockname() == again["gateway"].getsockname()
        first["gateway"].close()
        server = Server(describe)
        port = again["gateway"].getsockname()[1]
        await server.listen(again["gateway"], "gateway")
        async with Client() as client:
            answer = await client.call("GET", Address.parse(f"http://{LOOP}:{port}"), "/")
        assert answer["listener"] == "gateway"
        taken = sockets[0].getsockname()[1]
        with pytest.raises(PortTaken):
            await fetch_listeners(path, [ListenerSpec("door", LOOP, taken)])
        await server.close()
    finally:
        await asyncio.to_thread(machine.clear)
