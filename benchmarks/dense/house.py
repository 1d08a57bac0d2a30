"""A running fleet of small agents, seen through the sockets of its host and its gateway."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.dense.memory import pss_of
from sutazai.fleet.places import Places
from sutazai.fleet.status import Event, HostStatus
from sutazai.host.instances.ports import is_free
from sutazai.wire import Address, Client, Timeout
from tests.e2e.fleet import Fleet
from tests.gateway.fake_backend import FakeBackend, Script

MIB = 1024**2
PROMPT = "You are an agent that answers in few words. " * 30
ANSWER = Script(tokens=tuple(f"word{number} " for number in range(60)))
ROLE = {"prompt": PROMPT, "memory": "16MiB", "cpu": 0.001, "idle_after": "1h"}
"""So little that a thousand fit: admission counts what may be taken, not what is."""
AT_ONCE = 16
LOOK = 0.2
"""Seconds between two looks: each costs the host some 30 ms where it has 1,000 units."""
UP = 300.0
"""Seconds that a fleet of 10,000 may take to come up."""
FIRST_PASSING = 32768
"""From here on the kernel gives ports to clients."""
PATIENCE = Timeout(connect=30.0, headers=120.0, idle=120.0)
WARMER = "warmer"
"""The one agent that is always up, so that the zygote is too."""

_ZYGOTE = b"sutazai.agent.zygote"


class Bench:
    """One fleet under measurement."""

    def __init__(self, fleet: Fleet, client: Client) -> None:
        self.fleet = fleet
        self.client = client
        self.places = Places(fleet.state, next(fleet.folder.glob("sutazai/*")))
        self.host = Address.parse(f"unix:{self.places.host_socket}")
        self.gateway = Address.parse(f"unix:{self.places.gateway_socket}")

    async def status(self) -> HostStatus:
        told = await self.client.call("GET", self.host, "/status", timeout=PATIENCE)
        return HostStatus.model_validate(told)

    async def doors(self) -> dict[str, Address]:
        """The front doors of all agents."""
        agents = (await asyncio.to_thread(self.fleet.status))["agents"]
        return {one["name"]: Address.parse(f"http://127.0.0.1:{one['port']}") for one in agents}

    async def wake(self, names: list[str]) -> float:
        """Wakes all at once; seconds from the first fork to the last good health check."""
        await self.change("start", names)
        while not await self._all_healthy(names):
            await asyncio.sleep(LOOK)
        return time.time() - await self._first_start(names)

    async def change(self, verb: str, names: list[str]) -> None:
        """Has the host `start` or `stop` them all."""
        targets = (f"/units/{name}/{verb}" for name in names)
        calls = (self.client.call("POST", self.host, one, timeout=PATIENCE) for one in targets)
        await asyncio.gather(*calls)

    async def work(self, names: list[str], tasks: int) -> None:
        """Gives each agent its tasks, some agents at a time."""
        for first in range(0, len(names), AT_ONCE):
            batch = names[first : first + AT_ONCE]
            await asyncio.gather(*(self._tasks(name, tasks) for name in batch))

    def pss(self) -> int:
        """Bytes of the zygotes and of all instances that were forked from them."""
        return sum(pss_of(pid) for pid in self.fleet.processes() if _ZYGOTE in _words(pid))

    def zygotes(self) -> set[int]:
        """The processes that fork instances."""
        pids = [pid for pid in self.fleet.processes() if _ZYGOTE in _words(pid)]
        return {pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == "zygote"}

    def key(self) -> str:
        """What an agent says at the gateway."""
        return str(json.loads((self.fleet.state / "keys.json").read_text())[WARMER])

    async def _tasks(self, name: str, count: int) -> None:
        for number in range(count):
            await ask(self.client, self.gateway, f"/agents/{name}/invoke", number)

    async def _all_healthy(self, names: list[str]) -> bool:
        units = {unit.name: unit.state for unit in (await self.status()).units}
        return all(units[name] == "healthy" for name in names)

    async def _first_start(self, names: list[str]) -> float:
        async with await self.client.request("GET", self.host, "/events?after=0") as response:
            lines = (await response.read()).splitlines()
        events, wanted = [Event.model_validate_json(line) for line in lines], set(names)
        return min(one.at for one in events if one.kind == "started" and one.unit in wanted)


async def ask(client: Client, address: Address, target: str, number: int) -> None:
    """One small task for a role agent, answered in full."""
    value = {"input": f"Do the small thing with number {number}."}
    answer = await client.call("POST", address, target, value, timeout=PATIENCE)
    if "word59" not in answer["output"]:
        raise SystemExit(f"an agent gave no whole answer: {answer}")


@asynccontextmanager
async def fleet_of(names: list[str]) -> AsyncIterator[Fleet]:
    """A fleet of sleeping role agents, and one that is up, so that the zygote is too."""
    agents = {name: {**ROLE, "temperature": "warm"} for name in names}
    async with fleet_with(agents) as fleet:
        yield fleet


@asynccontextmanager
async def fleet_with(agents: dict[str, dict[str, Any]], **files: str) -> AsyncIterator[Fleet]:
    """A fleet that is up: those agents and one more, with a model that answers at once.

    ``files`` are modules that stand beside the fleet file, by name.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for module, text in files.items():
            (folder / f"{module}.py").write_text(text)
        async with FakeBackend(script=ANSWER) as backend:
            file = folder / "fleet.yaml"
            file.write_text(json.dumps(_declaration(agents, backend.port)))
            fleet = Fleet(file)
            fleet.port_base = free_base(len(agents))
            try:
                done = await asyncio.to_thread(fleet.up, timeout=UP)
                if done.returncode:
                    raise SystemExit(done.stdout + done.stderr)
                yield fleet
            finally:
                await asyncio.to_thread(fleet.stop)


def free_base(agents: int) -> int:
    """A port base for so many agents, of whose ports nobody listens on any now."""
    for base in range(11000, FIRST_PASSING - 1000 - agents, 100):
        doors = [*range(base + 290, base + 590), *range(base + 990, base + 990 + agents)]
        if all(map(is_free, (base, base + 94, *doors))):
            return base
    raise SystemExit("there are not enough free ports on this machine")


def _declaration(agents: dict[str, dict[str, Any]], port: int) -> dict[str, Any]:
    """The fleet file; JSON is YAML too."""
    return {
        "name": "density",
        "backends": {"fake": {"url": f"http://127.0.0.1:{port}", "slots": AT_ONCE}},
        "agents": {WARMER: {**ROLE, "temperature": "hot"}, **agents},
    }


def _words(pid: int) -> list[bytes]:
    """The command line; what was forked has that of the process that it was forked from."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
