"""What metrics and call records cost a call: the gateway beside one without them."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.gateway import CONNECTIONS, WARM_UP, Spent, ask
from benchmarks.peers.load import Load
from benchmarks.peers.peers import sutazai, upstream
from benchmarks.peers.process import Program

PAIRS = 5
"""How often both are started anew: where a process happens to lie in memory is worth some
microseconds a request."""
ROUNDS = 4
BLIND = "benchmarks.observed.blind_gateway"


async def added(requests: int) -> dict[str, Any]:
    """Microseconds of CPU time a request, with and without."""
    spent = {"on": Spent(), "off": Spent()}
    with tempfile.TemporaryDirectory(prefix="sz") as name, ExitStack() as running:
        folder = Path(name)
        backend = upstream(folder)
        running.callback(backend.stop)
        await backend.ready()
        for number in range(PAIRS):
            await _pair(_made(folder / str(number)), backend.port, spent, requests // PAIRS)
    on, off = spent["on"].microseconds, spent["off"].microseconds
    return {
        "cpu_us_per_request_added": round(on - off, 1),
        "cpu_us_per_request": {"on": on, "off": off},
        "requests_each": spent["on"].answers,
    }


async def _pair(folder: Path, backend: int, spent: dict[str, Spent], requests: int) -> None:
    """In turns, so that a busy minute of the machine hurts both."""
    with ExitStack() as running:
        gateways = {
            "on": sutazai(_made(folder / "on"), backend),
            "off": sutazai(_made(folder / "off"), backend, program=BLIND),
        }
        for gateway in gateways.values():
            running.callback(gateway.stop)
            await gateway.ready()
        for number in range(ROUNDS):
            for name in sorted(gateways, reverse=bool(number % 2)):
                await _load(gateways[name], spent[name], -(-requests // ROUNDS))


async def _load(gateway: Program, spent: Spent, count: int) -> None:
    async with Load(gateway.port, ask("sutazai", "saturated")) as load:
        await load.repeat(WARM_UP, CONNECTIONS["saturated"])
        before = gateway.cpu_seconds()
        work = await load.repeat(count, CONNECTIONS["saturated"])
        spent.seconds += gateway.cpu_seconds() - before
        spent.answers += work.answered


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def report(figures: dict[str, Any], out: Path | None) -> None:
    """Prints the figures, and keeps them where that is asked for."""
    text = json.dumps(figures, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")
