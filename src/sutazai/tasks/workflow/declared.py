"""Does the runs of declared workflows: asks ``machine`` what comes next, and does it.

Every piece is a step that the engine records once it is done, so a crash anywhere resumes at the
last recorded one. What is not recorded is decided again, from what is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from sutazai.fleet.errors import DeadlineExceeded, Failed, SutazaiError, Unavailable
from sutazai.fleet.templates import as_text
from sutazai.fleet.work import Artifact, Invocation, Run, WorkState
from sutazai.fleet.workflows import TIMEOUT, Workflow
from sutazai.store import Runs
from sutazai.store.turns import Candidate
from sutazai.tasks import record
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.dispatch.routing import Crew
from sutazai.tasks.engine import Engine
from sutazai.tasks.journal import RunJournal
from sutazai.tasks.outcome import Outcome
from sutazai.tasks.progress import Progress
from sutazai.tasks.retries import Retries
from sutazai.tasks.steps import Made, Steps
from sutazai.tasks.workflow import layout
from sutazai.tasks.workflow.fitting import fitting
from sutazai.tasks.workflow.machine import Do, End, Piece, Skip, State, after, begin, move

KIND = "declared"
"""The name of all of them for the engine."""
AT_ONCE = 16
"""Most pieces that are worked on at once, of all runs."""
LOOK = 2.0
"""Seconds between two looks for an answer that another process took."""

log = logging.getLogger(__name__)


class DeclaredWorkflows:
    """Works through runs.

    Args:
        announce: hears of each run that ended.
    """

    def __init__(
        self,
        engine: Engine,
        calls: AgentCalls,
        crew: Crew,
        runs: Runs,
        journal: RunJournal,
        progress: Progress,
        artifacts: ArtifactFolder,
        announce: Callable[[Run], Awaitable[None]],
        *,
        steps: Steps,
    ) -> None:
        self._engine = engine
        self._calls = calls
        self._crew = crew
        self._runs = runs
        self._journal = journal
        self._progress = progress
        self._artifacts = artifacts
        self._announce = announce
        self._steps = steps
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._busy: Counter[str] = Counter()
        engine.register(KIND, self._work)

    async def _work(self, run_id: str) -> None:
        try:
            await self._run(run_id)
        except Exception as error:  # a bug must not leave a run without an end
            log.exception("run %s failed in an unforeseen way", run_id)
            await self._end(run_id, Failed(f"{type(error).__name__}: {error}"))
            raise

    async def _run(self, run_id: str) -> None:
        state = await self._begin(run_id)
        while not isinstance(todo := move(state), End):
            if isinstance(todo, Skip):
                await self._pass(run_id, state, todo.name, layout.SKIPPED)
                state = after(state, None)
                continue
            outcomes = await self._do(run_id, state, todo)
            if any(outcome.withdrawn for outcome in outcomes):
                return
            state = after(state, outcomes)
        if todo.name is not None and todo.error is not None:
            await self._break(run_id, state, todo.name, todo.error)
        await self._end(run_id, todo.error)

    async def _begin(self, run_id: str) -> State:
        run, declared = await self._runs.get(run_id), await self._runs.declared(run_id)
        if run is None or declared is None:
            raise Failed(f"run {run_id} is not there any more")
        return begin(Workflow.model_validate(declared), run=run_id, given=run.input)

    async def _pass(self, run_id: str, state: State, name: str, why: str) -> None:
        await self._journal.change(
            run_id, lambda run: layout.passed(run, state.step, name, time.time(), why)
        )

    async def _break(self, run_id: str, state: State, name: str, error: SutazaiError) -> None:
        """A step that cannot even be begun has failed."""
        await self._pass(run_id, state, name, "")
        reason = error.as_dict()
        await self._journal.change(
            run_id, lambda run: record.failed(run, name, time.time(), reason)
        )

    async def _do(self, run_id: str, state: State, todo: Do) -> list[Outcome]:
        if not todo.pieces:
            await self._pass(run_id, state, todo.step.name, "no items")
            return []
        await self._journal.change(run_id, lambda run: layout.laid_out(run, todo))
        gate = asyncio.Semaphore(todo.step.parallel)
        steps = [
            self._engine.reserve(piece.name, self._piece, run_id, piece) for piece in todo.pieces
        ]

        async def gated(step: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
            async with gate:
                return await step()

        return await asyncio.gather(*(gated(step) for step in steps))

    # the bodies of steps

    async def _piece(self, run_id: str, piece: Piece) -> Outcome:
        if piece.step.approval is not None:
            work, began = partial(self._ask_person, piece), partial(layout.asked, piece.input)
            return await self._steps.do(run_id, piece.name, Retries(0), work, began=began)
        work = partial(self._ask_agent, piece)
        return await self._steps.do(run_id, piece.name, Retries(piece.step.retries), work)

    async def _ask_agent(self, piece: Piece, run: Run) -> Made:
        async with self._slots:
            agent = piece.step.agent or self._able(piece.step.capability or "")
            self._busy[agent] += 1
            try:
                answer = await self._calls.invoke(agent, _invocation(piece, run))
            finally:
                self._busy[agent] -= 1
        output = fitting(answer.output, piece.step.schema_, agent=agent)
        return Made(output, await self._written(run, piece.artifact, output))

    def _able(self, capability: str) -> str:
        """Who is likely to answer first. Raises Unavailable."""
        lane = f"capability:{capability}"
        wanted = [Candidate("", lane)]
        found = self._crew.assign(wanted, self._busy) or self._crew.assign(wanted, {})
        if not found:
            raise Unavailable(f"nobody can do it: {self._crew.obstacle(lane, {})}")
        return found[0][1]

    async def _ask_person(self, piece: Piece, run: Run) -> Made:
        step = next(step for step in run.steps if step.name == piece.name)
        patience = piece.step.timeout
        left = patience and (step.started or time.time()) + patience - time.time()
        try:
            async with asyncio.timeout(left):
                return await self._answered(run.id, piece.name)
        except TimeoutError as error:
            message = f"nobody answered step {piece.name} in time"
            raise DeadlineExceeded(message, hint="give it a longer `timeout`") from error

    async def _answered(self, run_id: str, name: str) -> Made:
        with self._progress.watch(run_id) as watch:  # before the first look: none is missed
            while True:
                run = await self._runs.get(run_id)
                steps = run.steps if run else ()
                decision = next((step.decision for step in steps if step.name == name), None)
                if decision is not None:
                    return Made(decision.model_dump(include={"approved", "comment"}))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await watch.next()

    async def _written(self, run: Run, name: str | None, output: Any) -> Artifact | None:
        if name is None:
            return None
        return await asyncio.to_thread(self._artifacts.write, run.id, name, as_text(output))

    async def _end(self, run_id: str, error: SutazaiError | None) -> None:
        """Ends the run as done or failed, unless it was cancelled meanwhile."""
        state = WorkState.FAILED if error else WorkState.DONE
        reason = error.as_dict() if error else None
        run = await self._journal.end(
            run_id, lambda run: record.ended(run, state, time.time(), reason)
        )
        if run is not None:
            await self._announce(run)


def _invocation(piece: Piece, run: Run) -> Invocation:
    return Invocation(
        input=piece.input,
        task=f"{run.id}/{piece.name}",
        run=run.id,
        deadline=piece.step.timeout or TIMEOUT,
        schema=piece.step.schema_,
    )
