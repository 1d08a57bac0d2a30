"""Gives both versions the same recorded work where people give them too little.

Only agents are given any that are declared `replayable`. Their work is no task of anybody: the
gateway alone knows of it, as of calls for `replay-…`, and counts what comes of it for the evidence.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sutazai.control.peers import GatewayPeer
from sutazai.control.rollouts.arms import unit_of
from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.ids import new_id
from sutazai.fleet.rollouts import RolloutState
from sutazai.fleet.spec import Agent
from sutazai.fleet.work import WorkState
from sutazai.gateway.callers.handed import DEADLINE, PRIORITY, TASK, UNIT
from sutazai.rollout.machine import Replay
from sutazai.store import Tasks, Wanted
from sutazai.wire import Timeout

MOST = 1_000
"""Inputs in one window of evidence, of all agents together: each is replayed once. What is done
twice shows nothing new."""
SECONDS = 300.0
"""Most time for one piece of work."""
PAUSE = 0.1
"""Seconds between two inputs, of which one is worked on at a time."""

_ENDED = (WorkState.DONE, WorkState.FAILED)
_WAITS = Timeout(connect=2.0, headers=None, idle=None)  # the one bound is `SECONDS`

log = logging.getLogger(__name__)


class Replaying:
    """Replays the newest inputs of each agent's tasks that have ended, one after the other, to all
    arms at the same time."""

    def __init__(self, gateway: GatewayPeer, tasks: Tasks, agents: Mapping[str, Agent]) -> None:
        self._gateway = gateway
        self._tasks = tasks
        self._agents = agents
        self._wanted: Replay | None = None
        self._window = 0
        self._left: deque[tuple[str, Any]] = deque()
        self._task: asyncio.Task[None] | None = None

    def want(self, wanted: Replay | None, state: RolloutState) -> None:
        """Goes on as long as the same is wanted; what is under way is not cut off."""
        self._wanted = wanted
        idle = self._task is None or self._task.done()
        if wanted is not None and idle and (self._left or wanted.window != self._window):
            self._task = asyncio.create_task(self._run(wanted, state), name="replay")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, wanted: Replay, state: RolloutState) -> None:
        if wanted.window != self._window:
            try:
                self._left = deque(await self._recorded(wanted.agents))
            except SutazaiError as error:
                log.warning("recorded inputs cannot be read: %s", error)
                return
            self._window = wanted.window
        while self._left and self._wanted == wanted:
            agent, value = self._left.popleft()
            units = [unit_of(agent, arm, state) for arm in wanted.arms]
            await asyncio.gather(*(self._give(agent, unit, value) for unit in units))
            await asyncio.sleep(PAUSE)

    async def _recorded(self, agents: Iterable[str]) -> list[tuple[str, Any]]:
        """Agents and inputs, in turn."""
        found = {}
        for agent in agents:
            if self._agents[agent].replayable:
                ended = await self._tasks.find(Wanted(_ENDED, agent), limit=MOST)
                found[agent] = [task.input for task in ended]
        return list(_in_turn(found))[:MOST]

    async def _give(self, agent: str, unit: str, value: Any) -> None:
        headers = [
            ("content-type", "application/json"),
            (TASK, new_id("replay")),
            (UNIT, unit),
            (PRIORITY, Priority.LOW.value),
            (DEADLINE, f"{SECONDS:g}"),
        ]
        body = json.dumps({"input": value, "deadline": SECONDS}).encode()
        target = f"/agents/{agent}/invoke"
        with contextlib.suppress(SutazaiError, TimeoutError):  # the gateway counts what came of it
            async with asyncio.timeout(SECONDS):
                response = await self._gateway.stream(
                    "POST", target, headers=headers, body=body, timeout=_WAITS
                )
                async with response:
                    await response.read()


def _in_turn(found: Mapping[str, list[Any]]) -> Iterator[tuple[str, Any]]:
    for place in range(max(map(len, found.values()), default=0)):
        yield from ((agent, each[place]) for agent, each in found.items() if place < len(each))
