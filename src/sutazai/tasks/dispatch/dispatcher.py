"""Claims tasks as there is room for them, has each done as a workflow, and notes how it ended.

Whatever ends and begins at about the same time shares one transaction: a turn. Turns follow each
other while something happens, and otherwise wait for the bell or for the next thing that is due.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import ceil

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import Failed, SutazaiError, Unavailable
from sutazai.fleet.span_ids import traceparent
from sutazai.fleet.work import Invocation, Task
from sutazai.store import Turns
from sutazai.store.turns import Claim, Claiming, Ended, Turned
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.calls import AgentCalls, well_formed
from sutazai.tasks.dispatch.bell import Bell
from sutazai.tasks.dispatch.ending import ending, released
from sutazai.tasks.dispatch.routing import Crew
from sutazai.tasks.endings import Endings
from sutazai.tasks.engine import Engine
from sutazai.tasks.inflight import InFlight, Withdrawn
from sutazai.tasks.outcome import WITHDRAWN, Outcome
from sutazai.tasks.queue.failing import PATIENCE, Patience

WORKFLOW = "task"
STEP = "invoke"
LOOK = 5.0
"""Seconds between two looks at a shared table, as a backup for the bell."""
LOOK_UNHEARD = 0.3
"""The same where the bell does not ring for what others do."""
DATABASE_BACK = 0.5
"""Seconds after which a database that did not answer is asked again."""

log = logging.getLogger(__name__)

Announce = Callable[[Task], Awaitable[None]]


@dataclass(frozen=True)
class Means:
    """What an attempt is made with. ``traced`` is the share of traces that is sent elsewhere, None
    where none is: then agents are told of none."""

    engine: Engine
    calls: AgentCalls
    artifacts: ArtifactFolder
    traced: float | None = None


class Dispatcher:
    """The one who gives tasks to agents, in this process.

    Args:
        executor: who this is, in this life.
        limit: most attempts at once, in all processes.
        endings: wakes who waits for a task.
        announce: hears of each task that did not end well.
    """

    def __init__(
        self,
        executor: str,
        turns: Turns,
        crew: Crew,
        bell: Bell,
        means: Means,
        endings: Endings,
        announce: Announce,
        *,
        limit: int,
        shared: bool = False,
        patience: Patience = PATIENCE,
    ) -> None:
        self.executor = executor
        self._turns = turns
        self._crew = crew
        self._bell = bell
        self._means = means
        self._endings = endings
        self._announce = announce
        self._limit = self._share = limit
        self._shared = shared
        self._patience = patience
        self._in_flight = InFlight()
        self._claims: dict[str, Claim] = {}
        self._ended: list[tuple[Ended, asyncio.Future[None]]] = []
        self._starting: set[asyncio.Task[None]] = set()
        means.engine.register(WORKFLOW, self._work)

    @property
    def working(self) -> int:
        """How many attempts are under way here."""
        return len(self._claims)

    def share(self, executors: int) -> None:
        """So many share the work, and each takes its part of it at most."""
        part = ceil(self._limit / max(1, executors))
        if part > self._share:
            self._bell.ring()
        self._share = part

    def withdraw(self, task_id: str) -> None:
        """Ends what is under way for a task that is no longer ours to do."""
        self._in_flight.withdraw(task_id)

    async def run(self) -> None:
        """Turn after turn, until cancelled."""
        due: float | None = 0.0
        still = False
        while True:
            await self._bell.wait(self._patience_until(due))
            try:
                due = (await self._turn()).due
                still = False
            except Unavailable as error:
                if not still:
                    log.warning("the queue stands still: %s", error)
                still = True
                due = time.time() + DATABASE_BACK

    async def settle(self, ended: Sequence[Ended]) -> tuple[str, ...]:
        """Writes down how attempts of others ended; the tasks that ended with them for good.

        Raises Unavailable.
        """
        nobody = Claiming(self.executor, self._crew, slots=0, limit=0)
        turned = await self._turns.turn(ended, nobody, time.time())
        await self._tell(turned)
        self._bell.ring()
        return turned.ended

    async def claim(self, claiming: Claiming) -> tuple[Claim, ...]:
        """Takes tasks for somebody who does them elsewhere. Raises Unavailable."""
        turned = await self._turns.turn((), claiming, time.time())
        await self._tell(turned)
        return turned.claims

    async def _turn(self) -> Turned:
        ended, self._ended = self._ended, []
        claiming = Claiming(
            self.executor,
            self._crew,
            slots=self._share - len(self._claims) + len(ended),
            limit=self._limit,
        )
        try:
            turned = await self._turns.turn([each for each, _ in ended], claiming, time.time())
        except BaseException:  # what has ended is written next time, whatever stopped it
            self._ended = ended + self._ended
            raise
        for _, written in ended:
            if not written.done():
                written.set_result(None)
        self._begin(turned)
        await self._tell(turned)
        return turned

    def _begin(self, turned: Turned) -> None:
        for claim in turned.claims:
            self._claims[claim.workflow] = claim
            starting = asyncio.create_task(self._start(claim), name=f"start {claim.workflow}")
            self._starting.add(starting)
            starting.add_done_callback(self._starting.discard)
        if turned.mine is not None:
            for claim in self._claims.values():
                if claim.id not in turned.mine:
                    self.withdraw(claim.id)

    async def _tell(self, turned: Turned) -> None:
        for task_id in turned.ended:
            self._endings.tell(task_id)
        for task in turned.dead:
            try:
                await self._announce(task)
            except SutazaiError as error:
                log.warning("nobody was told that %s is %s: %s", task.id, task.state, error)

    def _patience_until(self, due: float | None) -> float | None:
        waits = [] if due is None else [max(0.0, due - time.time())]
        if self._shared:
            waits.append(LOOK if self._bell.hears else LOOK_UNHEARD)
        return min(waits, default=None)

    async def _start(self, claim: Claim) -> None:
        try:
            await self._means.engine.start(WORKFLOW, claim.workflow)
        except SutazaiError as error:
            log.warning("%s was not begun: %s", claim.workflow, error)
            back = released(claim, "it could not be begun", time.time(), delay=DATABASE_BACK)
            await self._end(claim, back)

    async def _work(self, workflow_id: str) -> None:
        """The workflow: one recorded step, and how it ended in the table."""
        claim = self._claims.get(workflow_id)
        if claim is None:
            return  # of an earlier life, and its task was taken over
        try:
            outcome = await self._means.engine.step(STEP, self._invoke, workflow_id)
        except Exception as error:  # so that the task ends, whatever the engine met
            log.exception("task %s failed in an unforeseen way", claim.id)
            outcome = Outcome(error=Failed(f"{type(error).__name__}: {error}").as_dict())
        if outcome.withdrawn:
            self._claims.pop(workflow_id, None)
            self._bell.ring()
            return
        await self._end(claim, ending(claim, outcome, time.time(), self._patience))

    async def _end(self, claim: Claim, ended: Ended) -> None:
        written = asyncio.get_running_loop().create_future()
        self._ended.append((ended, written))
        written.add_done_callback(lambda _: self._claims.pop(claim.workflow, None))
        self._bell.ring()
        await written

    async def _invoke(self, workflow_id: str) -> Outcome:
        claim = self._claims[workflow_id]
        try:
            return await self._in_flight.run(claim.id, self._ask(claim))
        except Withdrawn:
            return WITHDRAWN
        except SutazaiError as error:
            return Outcome(error=well_formed(error.as_dict()))

    async def _ask(self, claim: Claim) -> Outcome:
        given = claim.input
        if claim.file is not None:
            given = await asyncio.to_thread(self._means.artifacts.referenced, claim.file)
        invocation = Invocation(
            input=given,
            task=claim.id,
            run=claim.run,
            priority=Priority(claim.priority) if claim.priority else None,
            deadline=claim.deadline,
            traceparent=self._span(claim),
        )
        result = await self._means.calls.invoke(claim.agent, invocation)
        self._crew.learn(claim.agent, time.time() - claim.begun)
        return Outcome(value=result.output, instance=result.instance)

    def _span(self, claim: Claim) -> str | None:
        share = self._means.traced
        return None if share is None else traceparent(claim.id, claim.attempt, share)
