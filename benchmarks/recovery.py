"""How long each part is away after `kill -9`, and whether anything else restarted.

    python -m benchmarks.recovery [--json OUT]

A real fleet of a few agents. Each part in turn is killed once: seconds until it answers again, and
the instances that were restarted though they need not have been (the killed one does not count).

- ``instance_seconds``: until another instance of the agent is healthy.
- ``gateway_seconds``: until the first answer; ``connections_refused`` while it was away.
- ``host_seconds``, ``control_seconds``: until another process of it answers.
- ``restarted``: other instances that got another process id.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.dense.house import Bench, fleet_of
from sutazai.fleet.errors import ConnectFailed, SutazaiError
from sutazai.fleet.status import HostStatus
from sutazai.wire import Address, Client

AGENTS = [f"agent-{number}" for number in range(10)]
LOOK_EVERY = 0.01
GIVE_UP = 30.0


class Victims:
    """Kills parts of one fleet and waits for their return."""

    def __init__(self, bench: Bench, client: Client, gateway: str) -> None:
        self._bench = bench
        self._client = client
        self._gateway = Address.parse(gateway)
        self.refused = 0

    async def unit(self, name: str) -> float:
        """Kills the one instance of a unit; seconds until another one is healthy."""
        old = (await self._pids())[name]
        os.kill(old, signal.SIGKILL)
        return await self._seconds_until(lambda: self._replaced(name, old))

    async def host(self) -> float:
        old = (await self._bench.status()).pid
        os.kill(old, signal.SIGKILL)
        return await self._seconds_until(lambda: self._other_host(old))

    async def gateway(self) -> float:
        """Kills the gateway and calls it without pause; counts refused connections."""
        os.kill((await self._pids())["gateway"], signal.SIGKILL)
        return await self._seconds_until(self._gateway_answers)

    async def pids(self) -> dict[str, int]:
        """Process ids of the agents' instances, once the host answers."""
        await self._seconds_until(lambda: self._other_host(0))
        found = await self._pids()
        return {name: pid for name, pid in found.items() if name in AGENTS}

    async def _pids(self) -> dict[str, int]:
        units = (await self._bench.status()).units
        return {unit.name: unit.instances[0].pid for unit in units if unit.instances}

    async def _replaced(self, name: str, old: int) -> bool:
        status: HostStatus = await self._bench.status()
        unit = next(one for one in status.units if one.name == name)
        return unit.state == "healthy" and unit.instances[0].pid != old

    async def _other_host(self, old: int) -> bool:
        return (await self._bench.status()).pid != old

    async def _gateway_answers(self) -> bool:
        try:
            await self._client.call("GET", self._gateway, "/v1/models")
        except ConnectFailed:
            self.refused += 1
            raise
        return True

    async def _seconds_until(self, holds: Callable[[], Awaitable[bool]]) -> float:
        began = time.monotonic()
        while time.monotonic() < began + GIVE_UP:
            try:
                if await holds():
                    return round(time.monotonic() - began, 2)
            except SutazaiError:  # it is away; that is what is measured
                pass
            await asyncio.sleep(LOOK_EVERY)
        raise SystemExit(f"nothing came back within {GIVE_UP:.0f} s")


async def measure() -> dict[str, float]:
    async with fleet_of(AGENTS) as fleet, Client() as client:
        bench = Bench(fleet, client)
        await bench.wake(AGENTS)
        victims = Victims(bench, client, fleet.gateway)
        before = await victims.pids()
        figures = {
            "gateway_seconds": await victims.gateway(),
            "host_seconds": await victims.host(),
            "control_seconds": await victims.unit("control"),
            "instance_seconds": await victims.unit(AGENTS[0]),
            "connections_refused": float(victims.refused),
        }
        after = await victims.pids()
    changed = [name for name in AGENTS[1:] if before[name] != after.get(name)]
    return {**figures, "restarted": float(len(changed))}


def main() -> None:
    parser = argparse.ArgumentParser(description="Return of each part after kill -9")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    text = json.dumps(asyncio.run(measure()), indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
