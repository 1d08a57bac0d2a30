"""What an agent costs in memory and how fast a fleet of them starts.

    python -m benchmarks.density [--json OUT] [--agents N] [--tasks N]

A real fleet: keeper, host, gateway and control; N role agents, woken together, each of which then
does some tasks against a model that answers at once (a real server on loopback: what is measured
is the agent, not the model). Beside it, in the same run, one such agent as a Python process of its
own.

- ``pss_mib_per_agent``: rise of the proportional set sizes of the zygote and all instances, divided
  by the agents; after their tasks, idle again.
- ``memavailable_mib_per_agent``: the same by the fall of the machine's MemAvailable, which includes
  what the kernel holds for them and all that happens beside (take it with care on a busy machine).
- ``start_seconds``: from the first fork to all healthy (also as ``start_N_seconds``).
- ``pss_mib_separate_process``, ``ratio``: the separate process, and how many times as much that is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sutazai.fleet.places import Places
from sutazai.fleet.status import Event, HostStatus
from sutazai.wire import Address, Client, Timeout
from tests.e2e.fleet import Fleet
from tests.gateway.fake_backend import FakeBackend, Script

MIB = 1024**2
PROMPT = "You are an agent that answers in few words. " * 30
ANSWER = Script(tokens=tuple(f"word{number} " for number in range(60)))
SETTLE = 3.0
AT_ONCE = 16
PATIENCE = Timeout(connect=30.0, headers=120.0, idle=120.0)

ALONE = """
import json, socket, sys
from sutazai.agent import process
from sutazai.agent.identity import Identity
process.set_up_logging()
process.run(Identity(**json.loads(sys.argv[1])), socket.socket(fileno=int(sys.argv[2])))
"""


class Bench:
    """A running fleet, seen through its host's and its gateway's sockets."""

    def __init__(self, fleet: Fleet, client: Client) -> None:
        places = Places(fleet.state, next(fleet.folder.glob("sutazai/*")))
        self._client = client
        self._host = Address.parse(f"unix:{places.host_socket}")
        self._gateway = Address.parse(f"unix:{places.gateway_socket}")
        self.gateway_for_agents = f"unix:{places.agents_socket}"

    async def status(self, *, memory: bool = False) -> HostStatus:
        target = "/status?memory=1" if memory else "/status"
        return HostStatus.model_validate(await self._client.call("GET", self._host, target))

    async def wake(self, names: list[str]) -> float:
        """Wakes all at once; seconds from the first fork to the last good health check."""
        calls = (self._client.call("POST", self._host, f"/units/{name}/start") for name in names)
        await asyncio.gather(*calls)
        while not await self._all_healthy(names):
            await asyncio.sleep(0.02)
        return time.time() - await self._first_start(names)

    async def work(self, names: list[str], tasks: int) -> None:
        """Gives each agent its tasks, some agents at a time."""
        for first in range(0, len(names), AT_ONCE):
            batch = names[first : first + AT_ONCE]
            await asyncio.gather(*(self._tasks(name, tasks) for name in batch))

    async def pss(self) -> int:
        """Bytes of the zygote and all agents' instances."""
        status = await self.status(memory=True)
        instances = sum(unit.pss or 0 for unit in status.units if unit.kind == "agent")
        return instances + pss_of(zygote_below(status.pid))

    async def _tasks(self, name: str, count: int) -> None:
        for number in range(count):
            await ask(self._client, self._gateway, f"/agents/{name}/invoke", number)

    async def _all_healthy(self, names: list[str]) -> bool:
        units = {unit.name: unit.state for unit in (await self.status()).units}
        return all(units[name] == "healthy" for name in names)

    async def _first_start(self, names: list[str]) -> float:
        async with await self._client.request("GET", self._host, "/events?after=0") as response:
            lines = (await response.read()).splitlines()
        events = [Event.model_validate_json(line) for line in lines]
        return min(one.at for one in events if one.kind == "started" and one.unit in names)


async def ask(client: Client, address: Address, target: str, number: int) -> None:
    value = {"input": f"Do the small thing with number {number}."}
    answer = await client.call("POST", address, target, value, timeout=PATIENCE)
    if "word59" not in answer["output"]:
        raise SystemExit(f"an agent gave no whole answer: {answer}")


async def measure(agents: int, tasks: int) -> dict[str, float]:
    names = [f"agent-{number}" for number in range(agents)]
    async with fleet_of(names) as fleet, Client() as client:
        bench = Bench(fleet, client)
        await bench.work(["warmer"], 1)
        await asyncio.sleep(SETTLE)
        pss, available = await bench.pss(), mem_available()
        seconds = await bench.wake(names)
        await asyncio.sleep(SETTLE)
        pss_fresh = await bench.pss()
        await bench.work(names, tasks)
        await asyncio.sleep(SETTLE)
        pss_after, available_after = await bench.pss(), mem_available()
        alone = await separate_process(client, bench.gateway_for_agents, key_of(fleet), tasks)
    per_agent = (pss_after - pss) / agents / MIB
    return {
        "agents": agents,
        "tasks_per_agent": tasks,
        "pss_mib_per_agent": round(per_agent, 2),
        "pss_mib_per_agent_before_tasks": round((pss_fresh - pss) / agents / MIB, 2),
        "memavailable_mib_per_agent": round((available - available_after) / agents / MIB, 2),
        "start_seconds": round(seconds, 2),
        f"start_{agents}_seconds": round(seconds, 2),
        "pss_mib_separate_process": round(alone / MIB, 2),
        "ratio": round(alone / MIB / per_agent, 1),
    }


@asynccontextmanager
async def fleet_of(names: list[str]) -> AsyncIterator[Fleet]:
    """A fleet of sleeping role agents, and one that is up, so that the zygote is too."""
    with tempfile.TemporaryDirectory() as folder:
        async with FakeBackend(script=ANSWER) as backend:
            file = Path(folder) / "fleet.yaml"
            file.write_text(json.dumps(declaration(names, backend.port)))
            fleet = Fleet(file)
            try:
                done = await asyncio.to_thread(fleet.up)
                if done.returncode:
                    raise SystemExit(done.stdout + done.stderr)
                yield fleet
            finally:
                await asyncio.to_thread(fleet.stop)


def declaration(names: list[str], port: int) -> dict[str, Any]:
    """The fleet file; JSON is YAML too."""
    role = {"prompt": PROMPT, "memory": "64MiB", "cpu": 0.01}
    agents = {name: {**role, "temperature": "warm"} for name in names}
    return {
        "name": "density",
        "backends": {"fake": {"url": f"http://127.0.0.1:{port}", "slots": AT_ONCE}},
        "agents": {"warmer": {**role, "temperature": "hot"}, **agents},
    }


async def separate_process(client: Client, gateway: str, key: str, tasks: int) -> int:
    """Bytes of one agent in a Python process of its own, after the same tasks."""
    with tempfile.TemporaryDirectory(prefix="sz-") as folder, socket.socket(socket.AF_UNIX) as own:
        own.bind(f"{folder}/s")
        own.listen()
        identity = {"agent": "alone", "instance": "alone-1", "prompt": PROMPT}
        options = json.dumps({**identity, "gateway": gateway, "key": key})
        command = [sys.executable, "-c", ALONE, options, str(own.fileno())]
        process = subprocess.Popen(command, pass_fds=[own.fileno()])
        try:
            for number in range(tasks):
                await ask(client, Address.parse(f"unix:{folder}/s"), "/invoke", number)
            await asyncio.sleep(SETTLE)
            return pss_of(process.pid)
        finally:
            process.terminate()
            process.wait()


def key_of(fleet: Fleet) -> str:
    return str(json.loads((fleet.state / "keys.json").read_text())["warmer"])


def zygote_below(host: int) -> int:
    children = Path(f"/proc/{host}/task/{host}/children").read_text().split()
    zygotes = [int(pid) for pid in children if "zygote" in Path(f"/proc/{pid}/cmdline").read_text()]
    return zygotes[0]


def pss_of(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))


def mem_available() -> int:
    os.sync()
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory of an agent and start of a fleet")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--agents", type=int, default=150)
    parser.add_argument("--tasks", type=int, default=20)
    arguments = parser.parse_args()
    figures = asyncio.run(measure(arguments.agents, arguments.tasks))
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
