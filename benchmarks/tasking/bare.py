"""DBOS alone: ``python -m benchmarks.tasking.bare URL COUNT`` prints workflows a second.

Each is started directly and has one recorded step that does nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from sutazai.tasks.engine import Engine

AT_ONCE = 64


async def measure(url: str, count: int) -> float:
    """Workflows a second."""
    engine = Engine(url, "bench")
    done = asyncio.Event()
    left = count

    async def nothing() -> dict[str, int]:
        return {"n": 1}

    async def body(_workflow: str) -> None:
        nonlocal left
        await engine.step("invoke", nothing)
        left -= 1
        if not left:
            done.set()

    engine.register("bench", body)
    engine.launch()
    gate = asyncio.Semaphore(AT_ONCE)

    async def start(number: int) -> None:
        async with gate:
            await engine.start("bench", f"bench-{number}")

    began = time.perf_counter()
    await asyncio.gather(*(start(number) for number in range(count)))
    await done.wait()
    rate = count / (time.perf_counter() - began)
    await engine.close()
    return rate


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(measure(sys.argv[1], int(sys.argv[2]))))
