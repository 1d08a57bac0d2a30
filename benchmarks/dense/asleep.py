"""How long a sleeping agent needs until its front door sends the first byte of an answer."""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

from benchmarks.dense.house import PATIENCE, ROLE, Bench, fleet_with
from sutazai.wire import Address, Client

WARM = 200
COLD = 5
ECHO = """
from sutazai.agent import Agent

class Echo(Agent):
    async def run(self, task):
        return task.input
"""
PROGRAM = """
import http.server, os

class Echo(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.rfile.read(int(self.headers["content-length"])))

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Echo).serve_forever()
"""


async def measure_waking() -> dict[str, Any]:
    """The figures ``wake_ms``, ``awake_ms`` and ``cold_seconds``."""
    warm, cold, programs = _names("warm", WARM), _names("cold", COLD), _names("program", COLD)
    declared, files = _declared(warm, cold, programs), {"echo": ECHO, "program": PROGRAM}
    async with fleet_with(declared, **files) as fleet, Client() as client:
        callers = Callers(Bench(fleet, client))
        waking = await callers.ask_all(warm)
        awake = await callers.ask_all(warm)
        agents, others = await callers.ask_all(cold), await callers.ask_all(programs)
    return {
        "wake_ms": _milliseconds(waking),
        "awake_ms": _milliseconds(awake),
        "cold_seconds": {
            "python": round(max(agents), 2),
            "command": round(max(others), 2),
        },
    }


class Callers:
    """Asks agents at their front doors, one after the other."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._headers = [("authorization", f"Bearer {bench.key()}")]

    async def ask_all(self, names: list[str]) -> list[float]:
        """Seconds until each answer begins."""
        doors = await self._bench.doors()
        return [await self._first_byte(doors[name]) for name in names]

    async def _first_byte(self, door: Address) -> float:
        body, began = json.dumps({"input": "hello"}).encode(), time.monotonic()
        async with await self._bench.client.request(
            "POST", door, "/invoke", headers=self._headers, body=body, timeout=PATIENCE
        ) as response:
            seconds = time.monotonic() - began
            answer = await response.read()
        if response.status != 200 or b"hello" not in answer:
            raise SystemExit(f"no answer at a front door: {response.status} {answer[:500]!r}")
        return seconds


def _names(kind: str, count: int) -> list[str]:
    return [f"{kind}-{number}" for number in range(count)]


def _declared(warm: list[str], cold: list[str], programs: list[str]) -> dict[str, dict[str, Any]]:
    small = {"memory": ROLE["memory"], "cpu": ROLE["cpu"]}
    own = {**small, "class": "echo:Echo"}
    program = {
        **small,
        "runtime": "command",
        "command": [sys.executable, "program.py"],
        "environment": {"PORT": "{port}"},
        "temperature": "cold",
    }
    return {
        **{name: {**own, "temperature": "warm"} for name in warm},
        **{name: {**own, "temperature": "cold"} for name in cold},
        **dict.fromkeys(programs, program),
    }


def _milliseconds(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": round(1000 * cuts[49], 1), "p99": round(1000 * cuts[98], 1)}
