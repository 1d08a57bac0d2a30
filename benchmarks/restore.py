"""How long a fleet takes to come back from a checkpoint after its state was lost.

    python -m benchmarks.restore [--json OUT] [--agents N] [--tasks N]

A real fleet of ``--agents`` agents, all of them up, with ``--tasks`` durable tasks each. While they
are worked on a checkpoint is made; then the fleet is ended, its state folder destroyed, the
checkpoint restored, and the fleet started and tested by `checkpoint restore --start`.

- ``create_seconds``: to make the checkpoint and verify it; ``checkpoint_mib``: its size.
- ``restore_seconds``: until the state is there, verified; ``total_seconds``: until every agent is
  well and the smoke tests have passed.
- ``finished``, ``finished_lost``: tasks that had ended before, and those of them that are missing
  or changed; ``unfinished``, ``unfinished_ended``: the same of those that had not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.dense.house import MIB, fleet_with
from sutazai.wire import Address, Client, Timeout
from tests.e2e.fleet import Fleet

CLERK = """
import asyncio
from sutazai.agent import Agent

class Clerk(Agent):
    async def run(self, task):
        await asyncio.sleep(0.5)
        return task.input
"""
AGENT = {"class": "clerk:Clerk", "temperature": "hot", "memory": "32MiB", "cpu": 0.01}
AT_ONCE = 32
PAGE = 1000
UNTIL_ENDED = 600.0
PATIENCE = Timeout(connect=30.0, headers=120.0, idle=120.0)

Tasks = dict[str, dict[str, Any]]


class Work:
    """The durable tasks of one fleet, by control's API."""

    def __init__(self, fleet: Fleet, client: Client) -> None:
        self._client = client
        self._control = Address.parse(fleet.control)
        self._headers = [("authorization", f"Bearer {fleet.token}")]

    async def give(self, agents: list[str], count: int) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(agent: str, number: int) -> None:
            async with gate:
                task = {"agent": agent, "input": f"{agent} {number}", "ttl": None}
                await self._call("POST", "/tasks", task)

        await asyncio.gather(*(one(agent, number) for number in range(count) for agent in agents))

    async def tasks(self) -> Tasks:
        return {task["id"]: task for task in await self._call("GET", f"/tasks?limit={PAGE}")}

    async def until_ended(self) -> Tasks:
        async with asyncio.timeout(UNTIL_ENDED):
            while True:
                found = await self.tasks()
                if all(task["ended"] for task in found.values()):
                    return found
                await asyncio.sleep(1.0)

    async def _call(self, method: str, path: str, value: Any = None) -> Any:
        return await self._client.call(
            method,
            self._control,
            f"/api/v1{path}",
            value,
            headers=self._headers,
            timeout=PATIENCE,
        )


async def measure(agents: int, tasks: int) -> dict[str, Any]:
    names = [f"agent-{number}" for number in range(agents)]
    async with fleet_with(dict.fromkeys(names, AGENT), clerk=CLERK) as fleet, Client() as client:
        work, safe = Work(fleet, client), fleet.folder / "safe"
        await work.give(names, tasks)
        before = await work.tasks()
        made = await _command(fleet, "create", "--to", str(safe))
        await asyncio.to_thread(fleet.must, "down", timeout=200)
        shutil.rmtree(fleet.state)
        back = await _command(fleet, "restore", made["name"], "--from", str(safe), "--start")
        after = await work.until_ended()
    finished = {key: task for key, task in before.items() if task["state"] == "done"}
    unfinished = set(before) - set(finished)
    return {
        "agents": agents,
        "create_seconds": made["seconds"],
        "checkpoint_mib": round(made["size"] / MIB, 2),
        "restore_seconds": back["restore_seconds"],
        "total_seconds": back["start"]["seconds"],
        "finished": len(finished),
        "finished_lost": sum(after.get(key) != task for key, task in finished.items()),
        "unfinished": len(unfinished),
        "unfinished_ended": sum(after[key]["state"] == "done" for key in unfinished & set(after)),
    }


async def _command(fleet: Fleet, *words: str) -> Any:
    told = await asyncio.to_thread(fleet.must, "checkpoint", *words, "--json", timeout=600)
    return json.loads(told)


def main() -> None:
    parser = argparse.ArgumentParser(description="Return of a fleet from its checkpoint")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--agents", type=int, default=150)
    parser.add_argument("--tasks", type=int, default=6, help="of each; 1000 together at most")
    arguments = parser.parse_args()
    text = json.dumps(asyncio.run(measure(arguments.agents, arguments.tasks)), indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
