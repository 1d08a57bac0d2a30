"""The work that is given during chaos, and what became of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count, cycle

from sutazai.client import Control
from sutazai.fleet.errors import NotFound, SutazaiError
from sutazai.fleet.work import Task, WorkState

ENDED = tuple(state for state in WorkState if not state.is_open)
SETTLE = 300.0
"""Seconds after the end that accepted tasks have to come to theirs."""

DEADLINE = 120.0
"""Seconds that an agent has for one of the tasks."""

_QUESTION = "Say in one short sentence what you do."
_PAUSE = 0.5


@dataclass
class Ledger:
    """Gives tasks to ``agents`` in turn, and follows each that control accepted to its end.

    A task is asked for with the same idempotency key until control has answered, so that an answer
    that is lost is no task lost.
    """

    control: Control
    agents: Iterable[str]
    prefix: str
    asked: int = 0
    accepted: dict[str, Task | None] = field(default_factory=dict)
    _asking: set[asyncio.Task[None]] = field(default_factory=set)

    async def give(self, every: float) -> None:
        """A task each ``every`` seconds, until cancelled."""
        agents = cycle(self.agents)
        for number in count():
            self.asked += 1
            asking = asyncio.create_task(
                self._ask(next(agents), number), name=f"chaos-task-{number}"
            )
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
            await asyncio.sleep(every)

    async def settle(self) -> None:
        """Waits until all that was accepted has ended, `SETTLE` seconds at most."""
        until = time.monotonic() + SETTLE
        await asyncio.wait([*self._asking, asyncio.create_task(asyncio.sleep(0))], timeout=_PAUSE)
        for asking in list(self._asking):
            asking.cancel()  # never accepted
        while self.open and time.monotonic() < until:
            for name in self.open:
                await self._look(name)
            await asyncio.sleep(_PAUSE)

    @property
    def open(self) -> list[str]:
        """Accepted tasks that were not seen to end."""
        return [
            name for name, task in self.accepted.items() if task is None or task.state not in ENDED
        ]

    @property
    def states(self) -> Counter[WorkState]:
        ended = (task for task in self.accepted.values() if task is not None)
        return Counter(task.state for task in ended if task.state in ENDED)

    @property
    def errors(self) -> Counter[str]:
        """Why tasks failed, by the error's name."""
        tasks = (task for task in self.accepted.values() if task is not None and task.error)
        return Counter(str((task.error or {}).get("code", "")) for task in tasks)

    async def _ask(self, agent: str, number: int) -> None:
        request = {
            "agent": agent,
            "input": _QUESTION,
            "deadline": DEADLINE,
            "idempotency_key": f"{self.prefix}-{number}",
        }
        while True:
            try:
                task = Task.model_validate(await self.control.post("/tasks", request))
            except SutazaiError:
                await asyncio.sleep(_PAUSE)  # control is down, or cannot take it now
            else:
                self.accepted[task.id] = task
                return

    async def _look(self, name: str) -> None:
        try:
            self.accepted[name] = Task.model_validate(await self.control.get(f"/tasks/{name}"))
        except NotFound:
            self.accepted[name] = None  # lost, as it seems; it is looked for until the end
        except SutazaiError:
            pass  # control is not back yet
