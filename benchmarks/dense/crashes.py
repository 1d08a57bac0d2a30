"""Agents that crash, one way or another, and agents that do not."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any

FILES = {
    "echo": """
from sutazai.agent import Agent

class Echo(Agent):
    async def run(self, task):
        return task.input

class Hog(Agent):
    async def start(self):
        self.hoard = bytearray(512 * 1024 * 1024)
""",
}
"""Modules that stand beside the fleet file."""

_SMALL = {"memory": "16MiB", "cpu": 0.001, "idle_after": "1h"}
_WAYS: tuple[dict[str, Any], ...] = (
    {"runtime": "command", "command": ["sh", "-c", "echo at once; exit 1"]},
    {"runtime": "command", "command": ["sh", "-c", "sleep 1; echo after a second; exit 1"]},
    {"class": "no_such_module:Agent"},
    {"class": "echo:Hog"},
)


def crashing(count: int) -> dict[str, dict[str, Any]]:
    """So many agents that crash once they are started, of all ways alike."""
    ways = enumerate(islice(cycle(_WAYS), count))
    return {f"bad-{number}": {**_SMALL, **way, "temperature": "warm"} for number, way in ways}


def good(count: int) -> dict[str, dict[str, Any]]:
    """So many agents that answer what they are asked."""
    echo = {**_SMALL, "class": "echo:Echo", "temperature": "hot"}
    return {f"good-{number}": echo for number in range(count)}
