"""A thousand agents that crash again and again beside fifty good ones.

    python -m benchmarks.crashloop [--json OUT] [--crashing N] [--good N] [--seconds S]

A real fleet. The good agents are asked through their front doors at a fixed rate, whatever the
answers take: while all others sleep, then while those crash, and once more when they have been
stopped. A quarter each of these ends at once, ends after a second, cannot be imported, and is
killed at its memory limit. All are started at the same moment, and watched for ``--seconds``.

- ``quiet_ms``, ``looping_ms``: latency of the good agents' answers, p50 and p99 (quiet is before
  and after, for what else the machine does changes meanwhile); ``ratio`` of the two p99.
- ``unanswered``: requests without an answer; ``good_restarts``: restarts of good agents.
- ``host_cpu``: cores that the host kept busy meanwhile; ``zygotes_lost``: what forks for it and
  had to be replaced.
- ``ends``, ``failed``: ends of instances, and units that are not started again.
- ``host_mib_before``, ``host_mib_after``: the host's PSS.
- ``left_records``, ``left_groups``, ``left_sockets``: what is left once all were stopped.
- ``disk_mib``: events, journal and logs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.dense.crashes import FILES, crashing, good
from benchmarks.dense.house import MIB, Bench, fleet_with
from benchmarks.dense.leavings import Leavings
from benchmarks.dense.memory import cpu_seconds, pss_of
from benchmarks.dense.steady import Asked, ask_steadily
from sutazai.fleet.status import HostStatus, State
from sutazai.wire import Client

QUIET = 20.0
LOOK = 1.0


async def measure(many: int, few: int, seconds: float) -> dict[str, Any]:
    bad, well = crashing(many), good(few)
    async with fleet_with({**well, **bad}, **FILES) as fleet, Client() as client:
        bench = Bench(fleet, client)
        doors = await bench.doors()
        asked = [doors[name] for name in well]
        async with ask_steadily(client, asked, bench.key()) as quiet:
            await asyncio.sleep(QUIET)
        host, zygotes = (await bench.status()).pid, bench.zygotes()
        memory, before = pss_of(host), cpu_seconds(host)
        async with ask_steadily(client, asked, bench.key()) as looping:
            await bench.change("start", list(bad))
            await asyncio.sleep(seconds)
        used, status = cpu_seconds(host) - before, await bench.status()
        memory_after = pss_of(host)
        left = Leavings.of(bench, await _stopped(bench, list(bad)))
        async with ask_steadily(client, asked, bench.key()) as after:
            await asyncio.sleep(QUIET)
    return {
        "crashing": many,
        "good": few,
        **_answers(quiet + after, looping),
        "good_restarts": sum(one.restarts for one in status.units if one.name in well),
        "host_cpu": round(used / seconds, 3),
        "zygotes_lost": len(zygotes - bench.zygotes()),
        "seconds": seconds,
        "ends": sum(one.restarts for one in status.units if one.name in bad),
        "failed": _failed(status),
        "host_mib_before": round(memory / MIB, 1),
        "host_mib_after": round(memory_after / MIB, 1),
        **left.figures(),
    }


async def _stopped(bench: Bench, names: list[str]) -> int:
    """Stops them all and waits for their end; the number of instances that still run."""
    await bench.change("stop", names)
    while True:
        units = (await bench.status()).units
        if not any(unit.instances for unit in units if unit.name in set(names)):
            return sum(len(unit.instances) for unit in units)
        await asyncio.sleep(LOOK)


def _failed(status: HostStatus) -> int:
    return sum(unit.state is State.FAILED for unit in status.units)


def _answers(quiet: Asked, looping: Asked) -> dict[str, Any]:
    return {
        "quiet_ms": quiet.milliseconds(),
        "looping_ms": looping.milliseconds(),
        "ratio": round(looping.milliseconds()["p99"] / quiet.milliseconds()["p99"], 2),
        "asked": quiet.sent + looping.sent,
        "unanswered": quiet.unanswered + looping.unanswered,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Crash loops beside good agents")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--crashing", type=int, default=1000)
    parser.add_argument("--good", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120.0)
    arguments = parser.parse_args()
    run = measure(arguments.crashing, arguments.good, arguments.seconds)
    figures = asyncio.run(run)
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    if figures["unanswered"] or figures["good_restarts"]:
        sys.exit("crash loops reached the good agents")


if __name__ == "__main__":
    main()
