"""Takes runs of workflows in, cancels them, and takes the answers of people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sutazai.fleet.errors import BadInput, Conflict, Failed, NotFound, QueueFull, SutazaiError
from sutazai.fleet.ids import new_id
from sutazai.fleet.work import Answer, Decision, Run, RunRequest, StepStatus, WorkState
from sutazai.fleet.workflows import STANDARD, Workflow
from sutazai.store import Runs
from sutazai.tasks import record
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.backlog import checked_backlog
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.dispatch.routing import Crew
from sutazai.tasks.engine import Engine, Life
from sutazai.tasks.journal import RunJournal
from sutazai.tasks.progress import Progress
from sutazai.tasks.standard import PLAN, REVIEW, Announce, Rules, StandardWorkflow
from sutazai.tasks.steps import Steps
from sutazai.tasks.workflow import declared
from sutazai.tasks.workflow.layout import decided
from sutazai.tasks.workflow.taking import declared_run

OPEN_MAX = 100
GOAL_MAX = 16 * 1024


class RunDesk:
    """The face of workflows, the standard one and those of the fleet file.

    Args:
        announce: hears of each run that ended.
    """

    def __init__(
        self,
        runs: Runs,
        engine: Engine,
        calls: AgentCalls,
        crew: Crew,
        artifacts: ArtifactFolder,
        progress: Progress,
        announce: Announce,
        *,
        workflows: Mapping[str, Workflow],
        rules: Rules | None = None,
        open_max: int = OPEN_MAX,
    ) -> None:
        self.rules = rules or Rules()
        self.workflows = workflows
        self._runs = runs
        self._engine = engine
        self._journal = journal = RunJournal(runs, progress)
        self._open_max = open_max
        self._steps = steps = Steps(journal)
        self._standard = StandardWorkflow(
            engine, calls, journal, artifacts, announce, steps=steps, rules=self.rules
        )
        self._declared = declared.DeclaredWorkflows(
            engine, calls, crew, runs, journal, progress, artifacts, announce, steps=steps
        )

    @property
    def agents(self) -> tuple[str, ...]:
        """Who a run of the standard workflow needs."""
        return (self.rules.plan.agent, self.rules.execute.agent, self.rules.review.agent)

    async def start(self, request: RunRequest, *, run_id: str | None = None) -> Run:
        """Records a run and starts it; with the id of a known run, that one. Raises BadInput,
        NotFound or QueueFull."""
        if run_id is not None and (known := await self._runs.get(run_id)) is not None:
            return known
        run, workflow = self._new(request)
        run = run.model_copy(update={"id": run_id or run.id})
        if len(await self._runs.open_ids()) >= self._open_max:
            raise QueueFull(
                f"{self._open_max} runs have not ended yet",
                hint="try again later, or cancel runs that are not needed",
            )
        await self._journal.begin(run, workflow)
        try:
            await self._engine.start(_kind(run), run.id)
        except SutazaiError as error:  # whoever asked is told, so nothing may come of it later
            await self._give_up(run.id, error)
            raise
        return run

    async def answer(self, run_id: str, step: str, answer: Answer) -> Run:
        """What a person says to a step that asks. Raises NotFound, or Conflict."""
        decision = Decision(**answer.model_dump(), at=time.time())
        decided(await self.get(run_id), step, decision)  # a run that has ended does not change
        return await self._journal.change(run_id, lambda run: decided(run, step, decision))

    async def cancel(self, run_id: str) -> Run:
        """Ends a run; what it wrote stays. Raises NotFound, or Conflict where it has ended."""
        run = await self._journal.change(
            run_id, lambda run: record.ended(run, WorkState.CANCELLED, time.time())
        )
        if run.state is not WorkState.CANCELLED:
            raise Conflict(f"run {run_id} has ended already: {run.state}")
        self._steps.withdraw(run_id)
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
                await self._engine.start(_kind(await self.get(run_id)), run_id)
            elif life is Life.OVER:
                message = f"run {run_id} cannot be resumed by this version"
                await self._give_up(run_id, Failed(message, hint="start it again"))

    def _new(self, request: RunRequest) -> tuple[Run, dict[str, Any] | None]:
        """A run that was not recorded yet, with the workflow that was declared for it."""
        if request.workflow != STANDARD:
            return declared_run(request, self.workflows, now=time.time())
        goal, backlog = _checked(request)
        run = Run(
            id=new_id("run"),
            workflow=STANDARD,
            goal=goal,
            backlog=backlog,
            state=WorkState.PENDING,
            created=time.time(),
            steps=(_pending(PLAN, self.agents[0]), _pending(REVIEW, self.agents[2])),
        )
        return run, None

    async def _give_up(self, run_id: str, error: SutazaiError) -> None:
        reason = error.as_dict()
        await self._journal.change(
            run_id, lambda run: record.ended(run, WorkState.FAILED, time.time(), reason)
        )


def _kind(run: Run) -> str:
    """The engine's name for what does a run."""
    return STANDARD if run.workflow == STANDARD else declared.KIND


def _checked(request: RunRequest) -> tuple[str, tuple[str, ...]]:
    if request.input is not None:
        raise BadInput(
            f"the workflow `{STANDARD}` takes a goal or a backlog, no input",
            hint="name the workflow that the input is for",
        )
    goal = " ".join(request.goal.split())
    if len(goal) > GOAL_MAX:
        raise BadInput(f"the goal is longer than {GOAL_MAX} characters", hint="put it in a backlog")
    backlog = checked_backlog(request.backlog) if request.backlog else ()
    if not goal and not backlog:
        raise BadInput("a run needs a goal or a backlog", hint="say what should be done")
    return goal, backlog


def _pending(step: str, agent: str) -> StepStatus:
    return StepStatus(name=step, agent=agent, state=WorkState.PENDING)
