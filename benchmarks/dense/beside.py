"""The same agents run by others: a Python process each under supervisord, and Ray actors."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.dense.house import AT_ONCE, MIB, PROMPT, Bench, ask
from benchmarks.dense.memory import pss_of
from benchmarks.peers.environment import CACHE, environment
from benchmarks.peers.process import LeftOut
from sutazai.fleet.errors import SutazaiError
from sutazai.wire import Address, Client

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SETTLE = 3.0
START_PATIENCE = 300.0
RAY_PATIENCE = 180.0
ACTORS = 8
"""So few since each takes as long to start as a hundred of ours; figures are for one of them."""


async def supervised(bench: Bench, agents: int, tasks: int) -> dict[str, Any]:
    """Role agents, each a Python process of its own, started by supervisord."""
    try:
        programs = _programs()
    except LeftOut as reason:
        return {"left_out": str(reason)}
    with tempfile.TemporaryDirectory(prefix="sz-") as name:
        folder = Path(name)
        config = _write_config(folder, bench, agents)
        began = time.monotonic()
        daemon = subprocess.Popen([programs / "supervisord", "-c", config], cwd=folder)
        try:
            await _all_answer(bench.client, folder, agents, daemon)
            seconds = time.monotonic() - began
            await _work(bench.client, folder, agents, tasks)
            await asyncio.sleep(SETTLE)
            each = sum(map(pss_of, _children(daemon.pid))) / agents / MIB
        finally:
            daemon.terminate()
            await asyncio.to_thread(daemon.wait)
    return {
        "agents": agents,
        "start_seconds": round(seconds, 2),
        "pss_mib_per_agent": round(each, 2),
    }


async def ray_actors() -> dict[str, Any]:
    """Actors that do nothing; figures of one, from `ACTORS` of them on one node."""
    try:
        command = [str(_programs() / "python"), str(HERE / "ray_actors.py"), str(ACTORS)]
    except LeftOut as reason:
        return {"left_out": str(reason)}
    try:
        done = await asyncio.to_thread(_run, command)
    except subprocess.TimeoutExpired:
        return {"left_out": f"it did not come up in {RAY_PATIENCE:.0f} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no word why"]
        return {"left_out": lines[-1]}
    told = json.loads(done.stdout.splitlines()[-1])
    return {"actors": ACTORS, "extrapolated_from_actors": True, **told}


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=RAY_PATIENCE, check=False
    )


def _programs() -> Path:
    return environment(CACHE / "density", HERE / "requirements.txt")


def _write_config(folder: Path, bench: Bench, agents: int) -> Path:
    key = bench.key()
    for number in range(agents):
        identity = {"agent": f"alone-{number}", "instance": f"alone-{number}-1", "prompt": PROMPT}
        identity |= {"gateway": f"unix:{bench.places.agents_socket}", "key": key}
        told = {"identity": identity, "socket": str(_socket(folder, number))}
        (folder / f"{number}.json").write_text(json.dumps(told))
    config = folder / "supervisord.conf"
    own = _SUPERVISORD.format(folder=folder)
    each = (
        _PROGRAM.format(number=number, python=sys.executable, folder=folder, root=ROOT)
        for number in range(agents)
    )
    config.write_text(own + "".join(each))
    return config


def _socket(folder: Path, number: int) -> Path:
    return folder / f"{number}.sock"


async def _all_answer(
    client: Client, folder: Path, agents: int, daemon: subprocess.Popen[bytes]
) -> None:
    until = time.monotonic() + START_PATIENCE
    for number in range(agents):
        while not await _answers(client, _socket(folder, number)):
            if daemon.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"supervisord did not start agent {number}")
            await asyncio.sleep(0.05)


async def _answers(client: Client, socket: Path) -> bool:
    try:
        await client.call("GET", Address.parse(f"unix:{socket}"), "/health")
    except SutazaiError:  # it is not there yet
        return False
    return True


async def _work(client: Client, folder: Path, agents: int, tasks: int) -> None:
    async def all_of(number: int) -> None:
        for task in range(tasks):
            await ask(client, Address.parse(f"unix:{_socket(folder, number)}"), "/invoke", task)

    for first in range(0, agents, AT_ONCE):
        await asyncio.gather(*map(all_of, range(first, min(agents, first + AT_ONCE))))


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


_SUPERVISORD = """\
[supervisord]
nodaemon = true
silent = true
logfile = {folder}/supervisord.log
pidfile = {folder}/supervisord.pid
childlogdir = {folder}
"""
_PROGRAM = """
[program:agent-{number}]
command = {python} -m benchmarks.dense.alone {folder}/{number}.json
directory = {root}
startsecs = 0
stdout_logfile = NONE
stderr_logfile = NONE
"""
