"""What a process gives up, seen from within it: each test is a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.agent import landlock
from sutazai.agent.confinement import HARMLESS

PROGRAM = """
import errno, json, os, resource, signal, socket, subprocess, sys
from sutazai.agent.confinement import Walls, confine, pin
from sutazai.agent.landlock import Fence

def status(name):
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name))

def attempt(deed, *arguments):
    try:
        return deed(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]

def read(path):
    return open(path).read()

def write(path):
    with open(path, "w") as file:
        file.write("x")
    return "written"

def dial(port):
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    return "connected"

walls = json.loads(sys.argv[1])
confine(Walls(**{**walls, "fence": Fence(**walls.pop("fence", {}))}))
print(json.dumps(eval(sys.argv[2])))
"""

needs_landlock = pytest.mark.skipif(landlock.abi() < landlock.LEAST, reason="no Landlock here")
needs_ports = pytest.mark.skipif(landlock.abi() < landlock.PORTS, reason="Landlock without ports")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="another user takes root")

OUTSIDE = (*("/usr", "/lib", "/lib64", "/etc", "/proc"), sys.prefix, sys.base_prefix, *sys.path)
"""What Python itself reads."""


def within(expression: str, **walls: Any) -> Any:
    """What ``expression`` is in a process behind ``walls``."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(walls), expression]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def attempt(deed: str, *arguments: Any, **walls: Any) -> Any:
    return within(f"attempt({deed}, *{list(arguments)!r})", **walls)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_no_new_privileges_and_no_core_dumps() -> None:
    assert within("status('NoNewPrivs')") == "1"
    assert within("resource.getrlimit(resource.RLIMIT_CORE)") == [0, 0]


@needs_root
def test_another_user_keeps_no_capability_and_no_group() -> None:
    who = within("[*os.getresuid(), *os.getresgid(), *os.getgroups()]", uid=65534, groups=[65534])
    assert set(who) == {65534}
    assert within("status('CapEff') + status('CapPrm')", uid=65534, groups=[65534]).strip("0") == ""


@needs_root
def test_a_setuid_program_gains_nothing() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program = Path(folder) / "id"
        program.write_bytes(Path("/usr/bin/id").read_bytes())
        program.chmod(0o4755)
        run = f"subprocess.run([{str(program)!r}, '-u'], capture_output=True, text=True).stdout"
        assert within(run, uid=65534, groups=[65534]) == "65534\n"


@needs_root
def test_root_that_stays_root_keeps_no_right_over_the_machine() -> None:
    kept = int(within("status('CapEff')"), 16)
    assert kept == sum(1 << number for number in HARMLESS)
    again = "subprocess.run(['cat', '/proc/self/status'], capture_output=True, text=True).stdout"
    assert f"CapEff:\t{kept:016x}" in within(again)


@needs_landlock
def test_a_process_in_a_domain_cannot_look_into_one_outside() -> None:
    outside = os.getpid()
    assert attempt("read", f"/proc/{outside}/environ", landlock=True) == "EACCES"
    assert attempt("read", "/proc/self/comm", landlock=True).startswith("python")


@pytest.mark.skipif(landlock.abi() < landlock.SIGNALS, reason="Landlock without signals")
def test_a_process_in_a_domain_sends_no_signal_out_of_it() -> None:
    assert attempt("os.kill", os.getpid(), 0, landlock=True) == "EPERM"


@needs_landlock
def test_without_declared_paths_all_files_are_as_before(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "folder" / "new"
    new.parent.mkdir()
    assert attempt("write", str(old), landlock=True) == "written"
    assert attempt("os.rename", str(old), str(new), landlock=True) is None
    assert new.exists()


@needs_landlock
def test_declared_paths_are_reached_and_no_others(tmp_path: Path) -> None:
    for name in ("read", "write", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    fence = {
        "reads": [*OUTSIDE, str(tmp_path / "read"), str(tmp_path / "missing")],
        "writes": [str(tmp_path / "write")],
    }
    walls: dict[str, Any] = {"landlock": True, "fence": fence}
    assert attempt("read", str(tmp_path / "read/file"), **walls) == "read"
    assert attempt("write", str(tmp_path / "read/file"), **walls) == "EACCES"
    assert attempt("write", str(tmp_path / "write/new"), **walls) == "written"
    assert attempt("read", str(tmp_path / "secret/file"), **walls) == "EACCES"
    assert attempt("os.listdir", str(tmp_path / "secret"), **walls) == "EACCES"
    assert attempt("os.mkdir", str(tmp_path / "folder"), **walls) == "EACCES"


@needs_ports
def test_only_declared_ports_are_connected_to(listening: int) -> None:
    allowed = {"landlock": True, "fence": {"ports": [listening]}}
    refused: dict[str, Any] = {"landlock": True, "fence": {"ports": []}}
    assert attempt("dial", listening, **allowed) == "connected"
    assert attempt("dial", listening, **refused) == "EACCES"


def test_cores_are_taken_as_a_whole_or_not_at_all() -> None:
    core = max(os.sched_getaffinity(0))
    assert within(f"(pin([{core}]), sorted(os.sched_getaffinity(0)))[1]") == [core]
    every = sorted(os.sched_getaffinity(0))
    assert within(f"(pin([{core}, 4000]), sorted(os.sched_getaffinity(0)))[1]") == every
    assert within("(pin([]), sorted(os.sched_getaffinity(0)))[1]") == every


def test_what_cannot_be_had_is_said(tmp_path: Path) -> None:
    walls = json.dumps({"namespaces": [str(tmp_path / "gone")]})
    command = [sys.executable, "-c", PROGRAM, walls, "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the isolation cannot be had: No such file or directory" in done.stderr
