"""The standard workflow: planner → executor, one step an item → reviewer.

Every step is recorded by the engine once it is done, so a crash anywhere resumes at the last
recorded one. A step that is resumed writes the same files and the same rows again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sutazai.fleet.errors import AgentFailed, Failed
from sutazai.fleet.work import Artifact, Invocation, Run, StepStatus, WorkState
from sutazai.fleet.workflows import STANDARD
from sutazai.tasks import prompts, record
from sutazai.tasks.artifacts import ArtifactFolder, slug
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.engine import Engine
from sutazai.tasks.journal import RunJournal
from sutazai.tasks.outcome import Outcome
from sutazai.tasks.plan import Plan, PlanItem, plan_from, plan_markdown, plan_schema
from sutazai.tasks.retries import Retries
from sutazai.tasks.steps import Made, Steps

PARALLEL = 2
RUNS_AT_ONCE = 4
PLAN, REVIEW = "plan", "review"
PLAN_TRIES = 3
"""How often the planner is asked while its plan cannot be used."""

log = logging.getLogger(__name__)

Announce = Callable[[Run], Awaitable[None]]


@dataclass(frozen=True)
class Rule:
    """Who does a kind of step, within how many seconds, and how often it is tried again."""

    agent: str
    deadline: float
    retries: Retries


@dataclass(frozen=True)
class Rules:
    """The three kinds of step; times and retries are those of the programs this one replaces."""

    plan: Rule = Rule("planner", 180.0, Retries(2))
    execute: Rule = Rule("executor", 600.0, Retries(1))
    review: Rule = Rule("reviewer", 300.0, Retries(2))


class StandardWorkflow:
    """Works through runs.

    Args:
        announce: hears of each run that ended.
    """

    def __init__(
        self,
        engine: Engine,
        calls: AgentCalls,
        journal: RunJournal,
        artifacts: ArtifactFolder,
        announce: Announce,
        *,
        steps: Steps,
        rules: Rules,
    ) -> None:
        self._engine = engine
        self._calls = calls
        self._journal = journal
        self._artifacts = artifacts
        self._announce = announce
        self._rules = rules
        self._steps = steps
        self._slots = asyncio.Semaphore(RUNS_AT_ONCE)
        engine.register(STANDARD, self._work)

    async def _work(self, run_id: str) -> None:
        try:
            async with self._slots:
                await self._run(run_id)
        except Exception as error:  # a bug must not leave a run without an end
            log.exception("run %s failed in an unforeseen way", run_id)
            await self._end(run_id, Failed(f"{type(error).__name__}: {error}").as_dict())
            raise

    async def _run(self, run_id: str) -> None:
        planned: Outcome = await self._engine.step(PLAN, self._plan, run_id)
        if planned.withdrawn:
            return
        if planned.error:
            await self._end(run_id, planned.error)
            return
        plan: Plan = planned.value
        outcomes = await self._execute_all(run_id, plan)
        done = [index for index, outcome in enumerate(outcomes) if outcome.ok]
        if not done:
            await self._end(run_id, _not_done(outcomes))
            return
        reviewed: Outcome = await self._engine.step(REVIEW, self._review, run_id, plan, done)
        await self._end(run_id, reviewed.error or _not_done(outcomes))

    async def _execute_all(self, run_id: str, plan: Plan) -> list[Outcome]:
        gate = asyncio.Semaphore(PARALLEL)
        steps = [
            self._engine.reserve(step_name(index), self._execute, run_id, plan, index)
            for index in range(len(plan.items))
        ]

        async def gated(step: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
            async with gate:
                return await step()

        return await asyncio.gather(*(gated(step) for step in steps))

    # the three kinds of step

    async def _plan(self, run_id: str) -> Outcome:
        return await self._steps.do(run_id, PLAN, self._rules.plan.retries, self._make_plan)

    async def _make_plan(self, run: Run) -> Made:
        prompt, notes = prompts.plan_prompt(run.goal, run.backlog)
        tokens = prompts.plan_answer_tokens(run.backlog)
        schema = plan_schema(run.backlog)
        for _ in range(PLAN_TRIES):
            text = await self._ask(run, PLAN, self._rules.plan, prompt, tokens, schema)
            plan = plan_from(text, run.backlog, goal=run.goal)
            if not plan.notes:
                break
        artifact = await self._write(run, "plan.md", plan_markdown(run.goal, plan))
        steps = [self._step(*pair) for pair in enumerate(plan.items)]
        remarks = (*notes, *plan.notes)
        return Made(plan, artifact, lambda run: record.planned(record.noted(run, *remarks), steps))

    async def _execute(self, run_id: str, plan: Plan, index: int) -> Outcome:
        work = partial(self._make_product, plan, index)
        return await self._steps.do(run_id, step_name(index), self._rules.execute.retries, work)

    async def _make_product(self, plan: Plan, index: int, run: Run) -> Made:
        prompt = prompts.execute_prompt(run.goal, plan, index)
        rule, tokens = self._rules.execute, prompts.EXECUTE_ANSWER
        text = await self._ask(run, step_name(index), rule, prompt, tokens)
        item = plan.items[index]
        name = product_name(index, item)
        text = f"# {item.title}\n\n{_text_in(text, rule)}\n"
        return Made(artifact=await self._write(run, name, text))

    async def _review(self, run_id: str, plan: Plan, done: Sequence[int]) -> Outcome:
        work = partial(self._make_review, plan, done)
        return await self._steps.do(run_id, REVIEW, self._rules.review.retries, work)

    async def _make_review(self, plan: Plan, done: Sequence[int], run: Run) -> Made:
        products = [await self._product(run, plan.items[index], index) for index in done]
        failures = len(plan.items) - len(done)
        prompt, notes = prompts.review_prompt(run.goal, products, failures)
        rule, tokens = self._rules.review, prompts.REVIEW_ANSWER
        text = _text_in(await self._ask(run, REVIEW, rule, prompt, tokens), rule)
        notes_in_file = "".join(f"> Note: {note}.\n\n" for note in (*run.notes, *notes))
        text = f"# Review notes\n\n{notes_in_file}{text}\n"
        artifact = await self._write(run, "review-notes.md", text)
        return Made(artifact=artifact, change=lambda run: record.noted(run, *notes))

    # what they share

    def _step(self, index: int, item: PlanItem) -> StepStatus:
        return StepStatus(
            name=step_name(index),
            agent=self._rules.execute.agent,
            state=WorkState.PENDING,
            item=item.title,
        )

    async def _ask(
        self,
        run: Run,
        step: str,
        rule: Rule,
        prompt: str,
        tokens: int,
        schema: dict[str, Any] | None = None,
    ) -> str:
        invocation = Invocation(
            input=prompt,
            task=f"{run.id}/{step}",
            run=run.id,
            deadline=rule.deadline,
            schema=schema,
            max_tokens=tokens,
        )
        output = (await self._calls.invoke(rule.agent, invocation)).output
        return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)

    async def _write(self, run: Run, name: str, text: str) -> Artifact:
        return await asyncio.to_thread(self._artifacts.write, run.id, name, text)

    async def _product(self, run: Run, item: PlanItem, index: int) -> prompts.Product:
        name = product_name(index, item)
        text = await asyncio.to_thread(self._artifacts.read, run.id, name)
        return prompts.Product(item, name, text.removeprefix(f"# {item.title}\n\n"))

    async def _end(self, run_id: str, error: dict[str, Any] | None) -> None:
        """Ends the run as done or failed, unless it was cancelled meanwhile."""
        state = WorkState.FAILED if error else WorkState.DONE
        run = await self._journal.end(
            run_id, lambda run: record.ended(run, state, time.time(), error)
        )
        if run is not None:
            await self._announce(run)


def step_name(index: int) -> str:
    """The name of the step for the plan's item ``index``, which counts from 0."""
    return f"execute-{index + 1:02d}"


def product_name(index: int, item: PlanItem) -> str:
    """The work product's file below the run's folder."""
    return f"work/{index + 1:02d}-{slug(item.title)}.md"


def _text_in(answer: str, rule: Rule) -> str:
    text = answer.strip()
    if not text:
        raise AgentFailed(f"{rule.agent} gave an empty answer", agent=rule.agent)
    return text


def _not_done(outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    failed = [index for index, outcome in enumerate(outcomes) if not outcome.ok]
    if not failed:
        return None
    first = next((outcomes[index].error for index in failed if outcomes[index].error), None)
    reason = first["message"] if first else "it was withdrawn"
    return AgentFailed(
        f"{len(failed)} of {len(outcomes)} items were not done: {reason}",
        hint="the run's steps say why; the other work products are kept",
        steps=[step_name(index) for index in failed],
    ).as_dict()
