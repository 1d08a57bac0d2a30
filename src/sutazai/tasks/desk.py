"""Takes runs of the standard workflow in, and cancels them."""

from __future__ import annotations

import time

from sutazai.fleet.errors import BadInput, Conflict, Failed, NotFound, QueueFull, SutazaiError
from sutazai.fleet.ids import new_id
from sutazai.fleet.work import Run, RunRequest, StepStatus, WorkState
from sutazai.store import Runs
from sutazai.tasks import record
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.backlog import checked_backlog
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.engine import Engine, Life
from sutazai.tasks.journal import RunJournal
from sutazai.tasks.progress import Progress
from sutazai.tasks.standard import PLAN, REVIEW, WORKFLOW, Announce, Rules, StandardWorkflow

OPEN_MAX = 100
GOAL_MAX = 16 * 1024


class RunDesk:
    """The face of the standard workflow.

    Args:
        announce: hears of each run that ended.
    """

    def __init__(
        self,
        runs: Runs,
        engine: Engine,
        calls: AgentCalls,
        artifacts: ArtifactFolder,
        progress: Progress,
        announce: Announce,
        *,
        rules: Rules | None = None,
        open_max: int = OPEN_MAX,
    ) -> None:
        self.rules = rules or Rules()
        self._runs = runs
        self._engine = engine
        self._journal = RunJournal(runs, progress)
        self._open_max = open_max
        self._workflow = StandardWorkflow(
            engine, calls, self._journal, artifacts, announce, rules=self.rules
        )

    @property
    def agents(self) -> tuple[str, ...]:
        """Who a run needs."""
        return (self.rules.plan.agent, self.rules.execute.agent, self.rules.review.agent)

    async def start(self, request: RunRequest) -> Run:
        """Records a run and starts it. Raises BadInput or QueueFull."""
        goal, backlog = _checked(request)
        if len(await self._runs.open_ids()) >= self._open_max:
            raise QueueFull(
                f"{self._open_max} runs have not ended yet",
                hint="try again later, or cancel runs that are not needed",
            )
        run = Run(
            id=new_id("run"),
            workflow=WORKFLOW,
            goal=goal,
            backlog=backlog,
            state=WorkState.PENDING,
            created=time.time(),
            steps=(_pending(PLAN, self.agents[0]), _pending(REVIEW, self.agents[2])),
        )
        await self._journal.begin(run)
        try:
            await self._engine.start(WORKFLOW, run.id)
        except SutazaiError as error:  # whoever asked is told, so nothing may come of it later
            await self._give_up(run.id, error)
            raise
        return run

    async def cancel(self, run_id: str) -> Run:
        """Ends a run; what it wrote stays. Raises NotFound, or Conflict where it has ended."""
        run = await self._journal.change(
            run_id, lambda run: record.ended(run, WorkState.CANCELLED, time.time())
        )
        if run.state is not WorkState.CANCELLED:
            raise Conflict(f"run {run_id} has ended already: {run.state}")
        self._workflow.withdraw(run_id)
        return run

    async def get(self, run_id: str) -> Run:
        """One run. Raises NotFound."""
        run = await self._runs.get(run_id)
        if run is None:
            raise NotFound(f"there is no run {run_id}", hint="it may have been retired")
        return run

    async def recover(self) -> None:
        """After a launch: starts what was recorded and not started, ends what cannot go on."""
        for run_id in await self._runs.open_ids():
            life = await self._engine.life(run_id)
            if life is Life.ABSENT:
                await self._engine.start(WORKFLOW, run_id)
            elif life is Life.OVER:
                message = f"run {run_id} cannot be resumed by this version"
                await self._give_up(run_id, Failed(message, hint="start it again"))

    async def _give_up(self, run_id: str, error: SutazaiError) -> None:
        reason = error.as_dict()
        await self._journal.change(
            run_id, lambda run: record.ended(run, WorkState.FAILED, time.time(), reason)
        )


def _checked(request: RunRequest) -> tuple[str, tuple[str, ...]]:
    goal = " ".join(request.goal.split())
    if len(goal) > GOAL_MAX:
        raise BadInput(f"the goal is longer than {GOAL_MAX} characters", hint="put it in a backlog")
    backlog = checked_backlog(request.backlog) if request.backlog else ()
    if not goal and not backlog:
        raise BadInput("a run needs a goal or a backlog", hint="say what should be done")
    return goal, backlog


def _pending(step: str, agent: str) -> StepStatus:
    return StepStatus(name=step, agent=agent, state=WorkState.PENDING)
