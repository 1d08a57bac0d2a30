"""What a fleet takes that has nothing to do, and how many series it has."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.dense.house import ROLE, fleet_with
from benchmarks.dense.memory import cpu_seconds
from sutazai.observe.prometheus.scraping import PATHS
from tests.e2e.fleet import Fleet


async def at_rest(agents: int, seconds: float) -> dict[str, Any]:
    """The share of one core that all processes of the fleet take together, instances included."""
    hot = {f"agent-{number}": {**ROLE, "temperature": "hot"} for number in range(agents - 1)}
    async with fleet_with(hot) as fleet:
        await asyncio.sleep(seconds)  # it settles
        before, began = _spent(fleet), time.monotonic()
        await asyncio.sleep(seconds)
        after, passed = _spent(fleet), time.monotonic() - began
        took = {pid: used - before.get(pid, 0.0) for pid, used in after.items()}
        shares = _by_name(took, passed)
        series = sum([_series(fleet, path) for path in PATHS.values()])
    return {
        "rest_core_share": round(sum(took.values()) / passed, 4),
        "rest_processes": len(after),
        "rest_seconds": round(passed, 1),
        "rest_by_process": shares,
        "series_at_rest": series,
    }


def _spent(fleet: Fleet) -> dict[int, float]:
    return {pid: cpu_seconds(pid) for pid in fleet.processes()}


def _by_name(took: dict[int, float], passed: float) -> dict[str, float]:
    """Shares of a core by what runs there, the largest first."""
    shares: dict[str, float] = {}
    for pid, used in took.items():
        name = _name(pid)
        shares[name] = shares.get(name, 0.0) + used / passed
    ordered = sorted(shares.items(), key=lambda one: -one[1])
    return {name: round(share, 4) for name, share in ordered}


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return next((word for word in words if word.startswith("sutazai.")), os.path.basename(words[0]))


def _series(fleet: Fleet, path: str) -> int:
    headers = {"authorization": f"Bearer {fleet.token}"}
    text = httpx.get(f"{fleet.control}{path}", headers=headers, timeout=60).text
    return sum(not line.startswith("#") for line in text.splitlines())
