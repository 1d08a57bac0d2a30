"""Hands tasks out to agents that fetch them, and takes back what nobody will complete."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

from sutazai.fleet.errors import Conflict, InstanceLost, NotFound, SutazaiError
from sutazai.fleet.fetching import Completion, Fetcher, Heartbeat, Registration
from sutazai.store import Fetchers, Tasks, Turns
from sutazai.store.turns import Claim, Claiming, Ended
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.dispatch.dispatcher import Dispatcher
from sutazai.tasks.dispatch.ending import ending
from sutazai.tasks.dispatch.routing import Crew, Doer
from sutazai.tasks.outcome import Outcome
from sutazai.tasks.pull.rules import SILENCE, Fetching, given, lanes_for, loss, outcome_of, silent

EXECUTOR = "@fetched"
"""Who works on fetched tasks, by the table: whichever agent has them."""
LOOK = 2.0
"""Seconds between two looks at what was fetched."""

log = logging.getLogger(__name__)


class PullDesk:
    """The face of the queue for agents that fetch.

    Args:
        limit: most tasks that are worked on at once, fetched or not.
        silence: seconds without a heartbeat after which a registration is over.
    """

    def __init__(
        self,
        fetchers: Fetchers,
        turns: Turns,
        tasks: Tasks,
        *,
        crew: Crew,
        dispatcher: Dispatcher,
        calls: AgentCalls,
        artifacts: ArtifactFolder,
        limit: int,
        silence: float = SILENCE,
    ) -> None:
        self._fetchers = fetchers
        self._turns = turns
        self._tasks = tasks
        self._crew = crew
        self._dispatcher = dispatcher
        self._calls = calls
        self._artifacts = artifacts
        self._limit = limit
        self._silence = silence
        self._since = time.time()
        self._changing = asyncio.Lock()

    async def register(self, agent: str, said: Registration) -> None:
        """A life of an agent begins. What an earlier life of its only process had is lost, and
        goes back into the queue. Raises NotFound."""
        doer = self._doer(agent)
        await self._fetchers.enter(agent, said, time.time())
        await self.refresh()
        if doer.instances == 1:
            held = [claim for claim in await self._held() if claim.agent == agent]
            await self._lose(held, InstanceLost(f"{agent} began anew"))

    async def beat(self, agent: str, said: Heartbeat) -> None:
        """An agent lives; one whose registration has expired is registered again."""
        self._doer(agent)
        if not await self._fetchers.beat(agent, time.time()):
            known = Registration(agent_name=said.agent_name, status=said.status)
            await self._fetchers.enter(agent, known, time.time())
            await self.refresh()

    async def registered(self) -> list[Fetcher]:
        """Who has registered, by name."""
        return [one for _, one in sorted((await self._fetchers.all()).items())]

    async def next(self, agent: str, kind: str) -> dict[str, Any] | None:
        """The next task for an agent, or None. It is the agent's for the task's deadline."""
        doer = self._doer(agent)
        claiming = Claiming(
            EXECUTOR, Fetching(doer), slots=1, limit=self._limit, lanes=lanes_for(doer, kind)
        )
        for claim in await self._dispatcher.claim(claiming):
            try:
                return given(claim, await self._input(claim))
            except SutazaiError as error:  # as where the file that it names is gone
                await self._end([ending(claim, Outcome(error=error.as_dict()), time.time())])
        return None

    async def complete(self, agent: str, completion: Completion) -> None:
        """A task ended. Said twice, it counts once. Raises Conflict where it is not the agent's
        any more, and NotFound."""
        async with self._changing:
            for claim in await self._held():
                if claim.workflow == completion.task_id and claim.agent == agent:
                    ended = ending(claim, outcome_of(completion), time.time())
                    over = await self._end([ended])
                    if ended.state is None or claim.id in over:
                        return
            await self._explain(agent, completion.task_id)

    async def run(self) -> None:
        """Takes back what is lost, until cancelled."""
        while True:
            try:
                await self._look()
            except SutazaiError as error:
                log.warning("fetched tasks are looked at later: %s", error)
            await asyncio.sleep(LOOK)

    async def refresh(self) -> None:
        """Lets the dispatcher know who fetches, as the table has it."""
        self._crew.fetch(await self._fetchers.all())

    def _doer(self, agent: str) -> Doer:
        doer = self._crew.member(agent)
        if doer is None:
            raise NotFound(f"there is no agent {agent!r}", hint="sutazai agents list")
        return doer

    async def _held(self) -> list[Claim]:
        return await self._turns.running(EXECUTOR)

    async def _input(self, claim: Claim) -> Any:
        if claim.file is None:
            return claim.input
        return await asyncio.to_thread(self._artifacts.referenced, claim.file)

    async def _end(self, ended: Sequence[Ended]) -> tuple[str, ...]:
        return await self._dispatcher.settle(ended)

    async def _look(self) -> None:
        await self._expire()
        async with self._changing:
            held = await self._held()
            exits = await self._calls.exits() if held else {}
            for claim in held:
                alone = self._crew.member(claim.agent)
                ended = exits.get(claim.agent, 0.0) if alone and alone.instances == 1 else 0.0
                if (error := loss(claim, time.time(), ended=ended)) is not None:
                    await self._lose([claim], error)

    async def _expire(self) -> None:
        """An agent whose heartbeats stop is dead: it is started again, and its tasks go on."""
        now, silence = time.time(), self._silence
        fetchers = await self._fetchers.all()
        gone = silent(fetchers.values(), now, silence, since=self._since)
        expired = await self._fetchers.expire(gone, now - silence) if gone else []
        for agent in expired:
            log.warning("%s gave no heartbeat for %.0f s", agent, silence)
            held = [claim for claim in await self._held() if claim.agent == agent]
            await self._lose(held, InstanceLost(f"{agent} gave no heartbeat for {silence:.0f} s"))
            await self._calls.restart(agent)
        self._crew.fetch(fetchers.keys() - expired)

    async def _lose(self, claims: Sequence[Claim], error: InstanceLost) -> None:
        now, outcome = time.time(), Outcome(error=error.as_dict())
        if claims:
            await self._end([ending(claim, outcome, now) for claim in claims])

    async def _explain(self, agent: str, task_id: str) -> None:
        """Returns where the agent has completed it before; raises what else is the matter."""
        name, _, number = task_id.rpartition(".")
        task = await self._tasks.get(name) if name else None
        if task is None:
            raise NotFound(f"no task was handed out as {task_id!r}")
        for attempt in task.attempts:
            mine = str(attempt.number) == number and attempt.agent == agent
            if mine and attempt.ended and (attempt.error or {}).get("code") != "InstanceLost":
                return
        raise Conflict(
            f"{task_id} is not yours any more: the task is {task.state}",
            hint="drop what came of it, and fetch the next one",
            task=task.id,
            state=task.state,
        )
