"""The control socket: what it answers, and whom it gets rid of."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from sutazai.keeper.control import CLIENTS, LINE_LIMIT, PATIENCE, Control, Reply
from tests.keeper.machine import Machine, answer, until
from tests.ports import free_port


class Served:
    """The keeper's control socket without a keeper, turned by hand."""

    def __init__(self, path: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.path = path
        self.asked: list[dict[str, object]] = []
        self.reply: Reply | None = Reply({"ok": True})
        self.control = Control(self.selector, path, self.handle)

    def handle(self, request: dict[str, object], peer: int) -> Reply | None:
        assert peer == os.getpid()
        self.asked.append(request)
        if request.get("op") == "fault":
            raise RuntimeError("a fault of ours")
        return self.reply

    def turn(self) -> None:
        """Everything that is ready now."""
        while ready := self.selector.select(0):
            for key, _ in ready:
                key.data()

    def client(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(60)
        sock.connect(self.path)
        self.turn()
        return sock

    def close(self) -> None:
        self.control.stop_listening()
        self.control.close()
        self.selector.close()


@pytest.fixture
def served(machine: Machine) -> Iterator[Served]:
    made = Served(str(machine.folder / "c.sock"))
    yield made
    made.close()


def gone(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False


def test_several_requests_on_one_connection(served: Served) -> None:
    with served.client() as client:
        client.sendall(b'{"op":"a"}\n{"op":"b"}\n{"op"')
        served.turn()
        client.sendall(b':"c"}\n')
        served.turn()
        assert client.recv(4096) == b'{"ok": true}\n' * 3
    assert [request["op"] for request in served.asked] == ["a", "b", "c"]


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"])
def test_garbage_gets_an_error_and_the_door(served: Served, line: bytes) -> None:
    with served.client() as client:
        client.sendall(line)
        served.turn()
        assert answer(client)["error"]["code"] == "BadInput"
        assert gone(client)


def test_a_line_without_end_gets_an_error_and_the_door(served: Served) -> None:
    with served.client() as client:
        client.setblocking(False)
        sent = 0
        while sent <= LINE_LIMIT:
            sent += client.send(b"x" * min(65536, LINE_LIMIT + 1 - sent))
            served.turn()
        client.settimeout(60)
        assert answer(client)["error"]["code"] == "BadInput"


def test_a_client_that_hangs_is_dropped_in_time_and_no_sooner(served: Served) -> None:
    with served.client() as silent, served.client() as half:
        half.sendall(b'{"op":')
        served.turn()
        due = served.control.due()
        assert due is not None and due <= time.monotonic() + PATIENCE
        served.control.drop_late(due - 0.001)
        assert not gone(silent)
        served.control.drop_late(due + 1.0)
        assert gone(silent) and gone(half)
    assert served.control.due() is None


def test_one_who_waits_for_an_answer_is_not_dropped(served: Served) -> None:
    served.reply = None
    with served.client() as client:
        client.sendall(b'{"op":"stop"}\n')
        served.turn()
        served.control.drop_late(time.monotonic() + 3600)
        served.control.answer_waiting({"ok": True})
        assert answer(client) == {"ok": True}
        assert gone(client)


def test_one_who_leaves_while_it_waits_is_forgotten(served: Served) -> None:
    served.reply = None
    with served.client() as client:
        client.sendall(b'{"op":"stop"}\n')
        served.turn()
    served.turn()
    served.control.answer_waiting({"ok": True})


def test_a_long_answer_waits_for_a_slow_reader(served: Served) -> None:
    served.reply = Reply({"text": "x" * 3_000_000})
    with served.client() as client:
        client.sendall(b'{"op":"a"}\n{"op":"b"}\n')
        served.turn()
        assert len(served.asked) == 1
        received = b""
        while received.count(b"\n") < 2:
            received += client.recv(1_000_000)
            served.turn()
    assert [len(json.loads(line)["text"]) for line in received.splitlines()] == [3_000_000] * 2


def test_a_fault_of_ours_costs_one_client_and_not_the_keeper(served: Served) -> None:
    with served.client() as unlucky, served.client() as other:
        unlucky.sendall(b'{"op":"fault"}\n')
        served.turn()
        assert gone(unlucky)
        other.sendall(b'{"op":"a"}\n')
        served.turn()
        assert answer(other) == {"ok": True}


def test_the_number_of_clients_is_bounded_and_the_oldest_makes_room(served: Served) -> None:
    clients = [served.client() for _ in range(CLIENTS + 1)]
    assert [gone(client) for client in clients] == [True] + [False] * CLIENTS
    for client in clients:
        client.close()


def test_one_dropped_to_make_room_may_have_spoken_in_the_same_moment(served: Served) -> None:
    clients = [served.client() for _ in range(CLIENTS)]
    with socket.socket(socket.AF_UNIX) as newcomer:
        newcomer.connect(served.path)
        clients[0].sendall(b'{"op":"a"}\n')
        served.turn()
        assert served.asked == []
    for client in clients:
        client.close()


def test_status_says_what_is_held(machine: Machine) -> None:
    port = free_port()
    machine.start(listeners=[{"name": "gateway", "host": "127.0.0.1", "port": port}])
    assert machine.ask("status") == {
        "ok": True,
        "pid": machine.keeper.pid,
        "host_pid": machine.note("host"),
        "host_restarts": 0,
        "listeners": [{"name": "gateway", "host": "127.0.0.1", "port": port}],
    }


def test_garbage_and_hanging_clients_hurt_nobody(machine: Machine) -> None:
    machine.start()
    with machine.connect() as hanging, machine.connect() as garbage:
        hanging.sendall(b'{"op":"listen","listeners":[')
        garbage.sendall(os.urandom(4096).replace(b"\n", b"") + b"\n")
        assert answer(garbage)["error"]["code"] == "BadInput"
        assert machine.ask("status")["ok"]
    assert machine.ask("dance")["error"]["code"] == "BadInput"
    assert machine.ask("listen")["error"]["code"] == "BadInput"
    assert machine.ask("status")["ok"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused(machine: Machine) -> None:
    machine.start()
    for path in (machine.folder, machine.runtime.parent, machine.runtime):
        path.chmod(0o755)
    (machine.runtime / "keeper.sock").chmod(0o666)  # as if the folder had been opened since
    stranger = (
        "import os, socket, sys; os.setuid(54321); s = socket.socket(socket.AF_UNIX);"
        "s.connect(sys.argv[1]); print(s.recv(4096).decode())"
    )
    said = subprocess.run(
        [sys.executable, "-c", stranger, str(machine.runtime / "keeper.sock")],
        capture_output=True,
        check=True,
    )
    assert json.loads(said.stdout)["error"]["code"] == "Refused"


def test_the_socket_is_for_its_user_only(machine: Machine) -> None:
    machine.start()
    path = machine.runtime / "keeper.sock"
    assert until(path.exists)
    assert path.stat().st_mode & 0o777 == 0o600
