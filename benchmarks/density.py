"""What an agent costs in memory, how fast a fleet starts and an agent wakes.

    python -m benchmarks.density [--json OUT] [--agents N,N] [--tasks N] [--declared N] [--hot N]

Real fleets: keeper, host, gateway and control, with limits held and a front door for every agent.
The model answers at once (a real server on loopback: what is measured is the agent, not the model).

For each N of ``--agents``, role agents that are woken together and then do some tasks each:

- ``pss_mib_per_agent_N``: rise of the proportional set sizes of the zygotes and all instances,
  divided by the agents; after their tasks, idle again. ``…_before_tasks_N``: before the first.
- ``memavailable_mib_per_agent_N``: the same by the fall of the machine's MemAvailable, which
  includes what the kernel holds for them and all that happens beside (take it with care on a busy
  machine).
- ``start_N_seconds``: from the first fork to all healthy.

Then agents that have a class of their own, asked through their front doors, one after the other:

- ``wake_ms``: of warm ones that sleep, milliseconds to the first byte of the answer; ``awake_ms``
  are those of the same call again.
- ``cold_seconds``: of cold ones, the slowest of a few: agents (``python``) and a Python program
  (``command``).

``declared_N``: so many declared agents, ``hot`` of them up, at rest: MiB (PSS) and percent of one
core of host, gateway and control, and the seconds that `up` took.

``beside``, in the same run: the same role agents as Python processes of their own under
supervisord, and Ray actors, which do nothing. Both are installed once, into the user's cache
folder; what cannot be installed is left out and said so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.dense.asleep import measure_waking
from benchmarks.dense.beside import ray_actors, supervised
from benchmarks.dense.house import MIB, ROLE, WARMER, Bench, fleet_of, fleet_with
from benchmarks.dense.memory import cpu_seconds, mem_available, pss_of
from sutazai.wire import Client

SETTLE = 3.0
REST = 60.0
"""Seconds over which a fleet at rest is watched; it settles for as long before."""


async def measure_agents(agents: int, tasks: int, *, beside: bool) -> dict[str, Any]:
    names = [f"agent-{number}" for number in range(agents)]
    async with fleet_of(names) as fleet, Client() as client:
        bench = Bench(fleet, client)
        await bench.work([WARMER], 1)
        await asyncio.sleep(SETTLE)
        pss, available = bench.pss(), mem_available()
        seconds = await bench.wake(names)
        await asyncio.sleep(SETTLE)
        fresh = bench.pss()
        await bench.work(names, tasks)
        await asyncio.sleep(SETTLE)
        after, available_after = bench.pss(), mem_available()
        others = {"supervisord": await supervised(bench, agents, tasks)} if beside else {}
    return {
        f"pss_mib_per_agent_{agents}": round((after - pss) / agents / MIB, 2),
        f"pss_mib_per_agent_before_tasks_{agents}": round((fresh - pss) / agents / MIB, 2),
        f"memavailable_mib_per_agent_{agents}": round(
            (available - available_after) / agents / MIB, 2
        ),
        f"start_{agents}_seconds": round(seconds, 2),
        **others,
    }


async def measure_declared(declared: int, hot: int) -> dict[str, Any]:
    """A large fleet at rest, most of which sleeps."""
    agents: dict[str, dict[str, Any]] = {
        f"agent-{number}": {**ROLE, "temperature": "hot"} if number < hot else {}
        for number in range(declared)
    }
    began = time.monotonic()
    async with fleet_with(agents) as fleet, Client() as client:
        seconds, bench = time.monotonic() - began, Bench(fleet, client)
        await asyncio.sleep(REST)
        status = await bench.status()
        planes = {unit.name: unit.instances[0].pid for unit in status.units if unit.kind == "plane"}
        pids = {"host": status.pid, **planes}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        await asyncio.sleep(REST)
        used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
        memory = {name: pss_of(pid) / MIB for name, pid in pids.items()}
    return {
        "hot": hot,
        "up_seconds": round(seconds, 1),
        **{f"{name}_mib": round(size, 1) for name, size in memory.items()},
        **{f"{name}_cpu_percent": round(100 * used[name] / REST, 2) for name in pids},
    }


async def measure(sizes: Sequence[int], tasks: int, declared: int, hot: int) -> dict[str, Any]:
    figures: dict[str, Any] = {"tasks_per_agent": tasks, "load_average": os.getloadavg()[0]}
    beside: dict[str, Any] = {}
    for agents in sizes:
        found = await measure_agents(agents, tasks, beside=agents == sizes[0])
        beside |= {name: found.pop(name) for name in ("supervisord",) if name in found}
        figures |= found
    figures |= await measure_waking()
    if declared:
        figures[f"declared_{declared}"] = await measure_declared(declared, hot)
    beside["ray"] = await ray_actors()
    return {**figures, "beside": beside}


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory of an agent, start of a fleet, waking")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--agents", default="150,1000", help="fleets of so many, one after another")
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--declared", type=int, default=10_000, help="0 leaves that part out")
    parser.add_argument("--hot", type=int, default=200)
    arguments = parser.parse_args()
    sizes = [int(word) for word in arguments.agents.split(",")]
    run = measure(sizes, arguments.tasks, arguments.declared, arguments.hot)
    text = json.dumps(asyncio.run(run), indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
