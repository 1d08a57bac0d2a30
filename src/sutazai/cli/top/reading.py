"""What `sutazai top` reads at one moment: a few requests and a little of /proc, for any fleet.

Units are asked of the host and calls of the gateway, each on its own socket, so that a view that is
left open costs control one small question a look and goes on while it restarts.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sutazai.cli.top.figures import Llm, Look, Processors
from sutazai.client import Control
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.places import Places
from sutazai.fleet.status import HostStatus
from sutazai.host.machine import read_machine
from sutazai.wire import Address, Client, Timeout

WITHIN = 2.0
MEASURED_WITHIN = 10.0
"""Seconds that a process has for its answer, and the host where it measures every instance."""

QUEUE_MAX = 1000
"""Waiting calls whose callers are told apart."""

TICK = os.sysconf("SC_CLK_TCK")

T = TypeVar("T")


class Reader:
    """Looks at one fleet."""

    def __init__(self, client: Client, control: Control, places: Places) -> None:
        self._client = client
        self._control = control
        self._host = Address.parse(f"unix:{places.host_socket}")
        self._gateway = Address.parse(f"unix:{places.gateway_socket}")

    async def look(self, *, measure: bool) -> Look:
        """One look; with ``measure`` the host measures each instance's memory (1 ms each)."""
        host, llm, tasks = await asyncio.gather(
            _or_none(self._units(measure), MEASURED_WITHIN if measure else WITHIN),
            _or_none(self._llm(), WITHIN),
            _or_none(self._control.get("/tasks/open"), WITHIN),
        )
        memory = read_machine().memory
        return Look(
            at=time.time(),
            measured=measure,
            host=host,
            llm=llm,
            tasks=tasks,
            cpu=dict(_cpu(host)) if host else {},
            processors=_processors(),
            memory=(memory.total - memory.available, memory.total),
        )

    async def _units(self, measure: bool) -> HostStatus:
        value = await self._ask(self._host, "/status?memory=1" if measure else "/status")
        return HostStatus.model_validate(value)

    async def _llm(self) -> Llm:
        stats = await self._ask(self._gateway, "/stats")
        waiting = sum(stats["queued"].values())
        queue = await self._ask(self._gateway, f"/queue?limit={QUEUE_MAX}") if waiting else {}
        backends = [backend for backend in stats["backends"] if backend["available"]]
        calls, tokens = counted(await self._metrics())
        return Llm(
            since=time.time() - stats["uptime"],
            calls=calls,
            tokens=tokens,
            queued=Counter(entry["client"] for entry in queue.get("entries", ())),
            waiting=waiting,
            oldest_wait=stats["oldest_wait"],
            running=stats["running"],
            slots=sum(backend["slots"] for backend in backends),
            paused=stats["paused"],
        )

    async def _metrics(self) -> str:
        async with await self._client.request("GET", self._gateway, "/metrics") as answer:
            return (await answer.read()).decode("utf-8", "replace")

    async def _ask(self, address: Address, target: str) -> Any:
        # How long it may take is bounded around it.
        patient = Timeout(connect=WITHIN, headers=None, idle=None)
        return await self._client.call("GET", address, target, timeout=patient)


_SAMPLE = re.compile(
    r'^sutazai_gateway_agent_(requests|tokens)_total\{agent="((?:[^"\\]|\\.)*)",.*\} (\d+)$',
    re.MULTILINE,
)
_ESCAPED = re.compile(r"\\(.)")


def counted(metrics: str) -> tuple[dict[str, int], dict[str, int]]:
    """Calls and tokens by caller, from the gateway's metrics in Prometheus's text format."""
    found: dict[str, Counter[str]] = {"requests": Counter(), "tokens": Counter()}
    for what, caller, count in _SAMPLE.findall(metrics):
        name = _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], caller)
        found[what][name] += int(count)
    return dict(found["requests"]), dict(found["tokens"])


async def _or_none(asked: Awaitable[T], within: float) -> T | None:
    """The answer, or None where none comes: whoever is asked restarts, and will be asked again."""
    try:
        async with asyncio.timeout(within):
            return await asked
    except (SutazaiError, TimeoutError):
        return None


def _cpu(host: HostStatus) -> Iterator[tuple[str, float]]:
    """Of all processes in the instance's session, and of their children that have ended."""
    by_session = _cpu_by_session()
    for unit in host.units:
        for instance in unit.instances:
            if instance.pid in by_session:
                yield instance.instance, by_session[instance.pid] / TICK


def _cpu_by_session() -> Counter[int]:
    """Ticks by the process that leads the session, from one walk through /proc."""
    ticks: Counter[int] = Counter()
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError), open(f"/proc/{name}/stat", errors="replace") as file:
                # The name in parentheses may itself hold spaces and parentheses.
                words = file.read().rpartition(")")[2].split()
                ticks[int(words[3])] += sum(map(int, words[11:15]))
    return ticks


def _processors() -> Processors:
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    spent = [int(word) / TICK for word in words]
    idle = spent[3] + spent[4]  # nothing to do, and waiting for a disk
    return Processors(busy=sum(spent) - idle, total=sum(spent), cores=os.cpu_count() or 1)
