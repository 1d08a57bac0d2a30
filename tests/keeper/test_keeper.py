"""The keeper as a process: its start, the host it keeps alive, the sockets it holds, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

from sutazai.keeper import processes
from sutazai.keeper.linux import KEEPER_NAME
from tests.keeper.machine import PATIENCE, Machine, lives, until
from tests.ports import free_port

LOOP = "127.0.0.1"
CRASHES = "note('host', os.getpid())\nsys.exit(3)\n"


def exchange(port: int, acceptor: socket.socket) -> bytes:
    """What a client receives that connects to ``port`` while ``acceptor`` accepts."""
    acceptor.settimeout(PATIENCE)
    with socket.create_connection((LOOP, port), timeout=PATIENCE) as client:
        served, _ = acceptor.accept()
        with served:
            served.sendall(b"hello")
        return client.recv(5)


# Starting


def test_a_keeper_says_that_it_is_ready_and_lives_by_itself(machine: Machine) -> None:
    assert machine.start() == {"ok": True, "pid": machine.keeper.pid}
    keeper = processes.read(machine.keeper.pid)
    assert keeper is not None and keeper.session == keeper.pid
    assert processes.program(keeper.pid) == KEEPER_NAME
    assert (machine.runtime / "keeper.lock").read_text() == f"{keeper.pid}\n"
    assert os.readlink(f"/proc/{keeper.pid}/fd/0") == os.devnull
    assert os.readlink(f"/proc/{keeper.pid}/fd/2") == str(machine.log)


def test_a_second_keeper_on_the_same_folder_is_told_of_the_first(machine: Machine) -> None:
    machine.start()
    first = machine.keeper
    error = machine.start()["error"]
    assert error["code"] == "AlreadyRunning"
    assert error["data"] == {"pid": first.pid}
    assert machine.keeper.wait(PATIENCE) == 5
    machine.keepers.pop()
    assert machine.ask("status")["pid"] == first.pid


def test_a_taken_port_is_named_with_who_took_it_and_nothing_starts(machine: Machine) -> None:
    with socket.create_server((LOOP, 0)) as stranger:
        free, taken = free_port(), stranger.getsockname()[1]
        error = machine.start(
            listeners=[
                {"name": "gateway", "host": LOOP, "port": free},
                {"name": "control", "host": LOOP, "port": taken},
            ]
        )["error"]
    assert machine.keeper.wait(PATIENCE) == 2
    assert error["code"] == "PortTaken"
    assert "--port-base N moves all ports" in error["hint"]
    assert error["data"] == {
        "name": "control",
        "host": LOOP,
        "port": taken,
        "pid": os.getpid(),
        "program": processes.program(os.getpid()),
    }
    assert not machine.marked()
    assert not (machine.runtime / "keeper.sock").exists()


def test_a_host_that_cannot_be_run_is_an_error(machine: Machine) -> None:
    error = machine.start(host=["/nowhere/python"])["error"]
    assert error["code"] == "Failed"
    assert "/nowhere/python" in error["message"]
    assert machine.keeper.wait(PATIENCE) == 1


def test_a_wrong_configuration_is_an_error(machine: Machine) -> None:
    assert machine.run({"runtime": "here"})["error"]["code"] == "BadInput"
    assert machine.keeper.wait(PATIENCE) == 2


def test_wrong_arguments_show_the_usage() -> None:
    for wrong in ([], ["a", "b"], ["a", "--ready-fd", "x"], ["a", "--ready-fd", "999"]):
        command = [sys.executable, "-m", "sutazai.keeper", *wrong]
        said = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)
        assert said.returncode == 2
        assert b"usage:" in said.stderr


def test_without_a_ready_descriptor_it_speaks_on_standard_output(machine: Machine) -> None:
    command = [sys.executable, "-m", "sutazai.keeper", str(machine.folder / "none.json")]
    said = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)
    assert json.loads(said.stdout)["error"]["code"] == "BadInput"


def test_the_host_gets_its_environment_and_no_ignored_signals(machine: Machine) -> None:
    machine.start(environment={"COLOUR": "green"})
    host = machine.note("host")
    assert processes.carries(host, "COLOUR=green")
    assert processes.carries(host, machine.mark)
    with open(f"/proc/{host}/status") as status:
        ignored = next(int(line.split()[1], 16) for line in status if line.startswith("SigIgn"))
    assert not ignored & 1 << (signal.SIGHUP - 1)


def test_systemd_is_told_of_readiness_and_of_the_end(machine: Machine) -> None:
    path = str(machine.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(PATIENCE)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            machine.start()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert systemd.recv(100) == f"READY=1\nMAINPID={machine.keeper.pid}".encode()
        assert not processes.carries(machine.note("host"), f"NOTIFY_SOCKET={path}")
        assert machine.ask("stop") == {"ok": True}
        assert systemd.recv(100) == b"STOPPING=1"


def test_it_stays_small(machine: Machine) -> None:
    machine.start()
    with open(f"/proc/{machine.keeper.pid}/status") as status:
        private = next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
    assert private < 8 * 1024  # KiB; what it does not share with other Python programs
    loaded = (
        "import sys; before = set(sys.modules); import sutazai.keeper.keeper;"
        "print(*set(sys.modules) - before)"
    )
    said = subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True)
    costly = {b"asyncio", b"dataclasses", b"typing", b"pathlib", b"subprocess", b"logging"}
    assert not costly & set(said.stdout.split())


# Keeping the host alive


def test_a_killed_host_is_back_at_once(machine: Machine) -> None:
    machine.start()
    first = machine.note("host")
    (machine.folder / "host").unlink()
    os.kill(first, signal.SIGKILL)
    second = machine.note("host")
    assert second != first
    status = machine.ask("status")
    assert (status["host_pid"], status["host_restarts"]) == (second, 1)


def test_a_host_that_keeps_crashing_is_started_less_and_less_often(machine: Machine) -> None:
    machine.start(CRASHES)
    until(lambda: machine.ask("status")["host_restarts"] >= 2)
    text = machine.log.read_text()
    assert "the host ended (status 3), starts again in 0.0 s" in text
    until(lambda: "starts again in 1.0 s" in machine.log.read_text())
    until(lambda: machine.ask("status")["host_pid"] is None)


# Holding sockets


def test_sockets_are_handed_over_and_really_accept_while_nobody_else_lives(
    machine: Machine,
) -> None:
    machine.start()
    reply, [acceptor] = machine.listen({"name": "gateway", "host": LOOP, "port": 0})
    [port] = reply["ports"]
    with acceptor:
        assert exchange(port, acceptor) == b"hello"

    # The acceptor is gone, and so is the host: whoever connects now waits instead of failing.
    os.kill(machine.note("host"), signal.SIGKILL)
    with socket.create_connection((LOOP, port), timeout=PATIENCE) as patient:
        again, [acceptor] = machine.listen({"name": "gateway", "host": LOOP, "port": 0})
        assert again["ports"] == [port]
        with acceptor:
            served, _ = acceptor.accept()
            served.close()
        assert patient.recv(1) == b""


def test_sockets_bound_at_the_start_are_handed_over(machine: Machine) -> None:
    listener = {"name": "control", "host": LOOP, "port": free_port()}
    machine.start(listeners=[listener])
    reply, [acceptor] = machine.listen(listener)
    assert reply["ports"] == [listener["port"]]
    with acceptor:
        assert exchange(int(str(listener["port"])), acceptor) == b"hello"


def test_two_hundred_sockets_travel_in_one_answer(machine: Machine) -> None:
    machine.start()
    wanted = [{"name": f"agent-{n}", "host": LOOP, "port": 0} for n in range(200)]
    reply, sockets = machine.listen(*wanted)
    assert [sock.getsockname()[1] for sock in sockets] == reply["ports"]
    assert len(set(reply["ports"])) == 200
    for sock in sockets:
        sock.close()


def test_a_taken_port_is_named_in_the_answer(machine: Machine) -> None:
    machine.start()
    with socket.create_server((LOOP, 0)) as stranger:
        port = stranger.getsockname()[1]
        reply, sockets = machine.listen({"name": "agent", "host": LOOP, "port": port})
    assert reply["error"]["code"] == "PortTaken"
    assert reply["error"]["data"]["pid"] == os.getpid()
    assert sockets == []


# Coming back after a kill


def test_a_new_keeper_takes_over_the_folder_of_a_killed_one(machine: Machine) -> None:
    machine.start()
    host = machine.note("host")
    (machine.folder / "host").unlink()
    machine.keeper.kill()
    machine.keeper.wait()
    assert (machine.runtime / "keeper.sock").exists()
    assert lives(host)

    assert machine.start()["ok"]

    assert machine.note("host") != host
    assert not lives(host)  # two hosts would fight over the same instances
    assert machine.ask("stop") == {"ok": True}


GATEWAY = """
import socket
def serve():
    # An instance in a session of its own that holds a listener, as the gateway does.
    os.setsid()
    client = socket.socket(socket.AF_UNIX)
    client.connect(f"{folder}/run/r/keeper.sock")
    request = '{"op":"listen","listeners":[{"name":"gateway","host":"127.0.0.1","port":PORT}]}'
    client.sendall(request.encode() + b"\\n")
    held = socket.recv_fds(client, 65536, 1)[1]
    note('gateway', os.getpid())
    while True: time.sleep(60)
def idle():
    os.setsid()
    note('agent', os.getpid())
    while True: time.sleep(60)
if not os.path.exists(f"{folder}/agent"):
    orphan(idle)
    orphan(serve)
note('host', os.getpid())
while True: time.sleep(60)
"""


def test_a_port_that_an_orphan_of_the_fleet_holds_is_freed_and_others_live_on(
    machine: Machine,
) -> None:
    port = free_port()
    listener = {"name": "gateway", "host": LOOP, "port": port}
    script = GATEWAY.replace("PORT", str(port))
    machine.start(script, listeners=[listener])
    gateway, agent = machine.note("gateway"), machine.note("agent")
    machine.keeper.kill()
    machine.keeper.wait()

    assert machine.start(script, listeners=[listener])["ok"]

    until(lambda: not lives(gateway))
    assert lives(agent)
    assert machine.ask("stop") == {"ok": True}
    assert not lives(agent)  # found by its mark, for it is not below the new keeper


def test_nobody_is_ended_for_a_port_while_a_stranger_holds_another(machine: Machine) -> None:
    port = free_port()
    listener = {"name": "gateway", "host": LOOP, "port": port}
    machine.start(GATEWAY.replace("PORT", str(port)), listeners=[listener])
    gateway = machine.note("gateway")
    machine.keeper.kill()
    machine.keeper.wait()

    with socket.create_server((LOOP, 0)) as stranger:
        taken = stranger.getsockname()[1]
        error = machine.start(
            listeners=[listener, {"name": "control", "host": LOOP, "port": taken}]
        )["error"]

    assert error["data"]["pid"] == os.getpid()
    assert lives(gateway)


def test_a_port_of_a_fleet_whose_keeper_lives_is_taken(machine: Machine) -> None:
    port = free_port()
    listener = {"name": "gateway", "host": LOOP, "port": port}
    machine.start(GATEWAY.replace("PORT", str(port)), listeners=[listener])
    gateway = machine.note("gateway")
    elsewhere = str(machine.folder / "elsewhere")
    error = machine.start(runtime=elsewhere, listeners=[listener])["error"]
    assert error["code"] == "PortTaken"
    assert lives(gateway)
