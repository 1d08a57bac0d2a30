"""Calls that wait at a door until an instance has room, first come first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from sutazai.fleet.errors import DeadlineExceeded
from sutazai.gateway.doors.instances import Instance

PER_PLACE = 16
"""Calls that may wait for each one that an agent's instances take at once; further ones are passed
on all the same, and the instance refuses what is too much."""
LONGEST = 3600.0
"""Seconds that a call waits at most, where it has no deadline of its own."""

Choose = Callable[[str, str], Instance | None]
"""The instance of an agent that has most room for a task, None where none is ready."""


class Waiting:
    """The calls that wait for room, by agent.

    Args:
        choose: says where the next call of an agent would go.
        room: says how many calls the instances of an agent take at once, None for any number.
    """

    def __init__(self, choose: Choose, room: Callable[[str], int | None]) -> None:
        self._choose = choose
        self._room = room
        self._turns: dict[str, deque[asyncio.Future[None]]] = {}

    async def place(self, agent: str, task: str) -> Instance | None:
        """Where a call for a task goes, once there is room for it; None where no instance is ready.

        Raises DeadlineExceeded after an hour.
        """
        instance = self._choose(agent, task)
        waiting = len(self._turns.get(agent, ()))
        if instance is None or waiting >= PER_PLACE * (self._room(agent) or 0):
            return instance
        if waiting or instance.is_full:
            instance = await self._wait(agent, task)
        return instance

    def look_again(self, agent: str) -> None:
        """There may be room."""
        for turn in self._turns.get(agent, ()):
            if not turn.done():
                turn.set_result(None)
                return

    def look_again_all(self) -> None:
        """The same for all agents."""
        for agent in self._turns:
            self.look_again(agent)

    async def _wait(self, agent: str, task: str) -> Instance | None:
        turn = asyncio.get_running_loop().create_future()
        turns = self._turns.setdefault(agent, deque())
        turns.append(turn)
        try:
            async with asyncio.timeout(LONGEST):
                return await self._its_turn(agent, task, turns, turn)
        except TimeoutError as cause:
            raise DeadlineExceeded(
                f"no instance of {agent} had room within {LONGEST:g} s",
                hint="raise `scale.max`, `replicas` or `concurrency`",
            ) from cause

    async def _its_turn(
        self,
        agent: str,
        task: str,
        turns: deque[asyncio.Future[None]],
        turn: asyncio.Future[None],
    ) -> Instance | None:
        """Its place, when it is the first that waits; the next one may look after it."""
        while True:
            try:
                await turn
                instance = self._choose(agent, task)
            except BaseException:  # its turn is given up, also by who is cancelled
                self._leave(agent, turns, turn)
                raise
            if instance is None or not instance.is_full:
                self._leave(agent, turns, turn)
                return instance
            turns[turns.index(turn)] = turn = asyncio.get_running_loop().create_future()

    def _leave(
        self, agent: str, turns: deque[asyncio.Future[None]], turn: asyncio.Future[None]
    ) -> None:
        turns.remove(turn)
        if not turns:
            del self._turns[agent]
        elif turn.done():
            self.look_again(agent)
