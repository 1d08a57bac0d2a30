"""Keeps what tasks and runs leave behind to a stated bound."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sutazai.store import Runs, Tasks
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.engine import Engine

DAY = 86_400.0


@dataclass(frozen=True)
class Keep:
    """How long and how many ended ones are kept. Ages are in seconds.

    ``tasks`` is how many that ended well, and as many dead ones. Rows of the workflow engine are
    needed only until their task or run has ended.
    """

    age: float = 30 * DAY
    dead_age: float = 30 * DAY
    tasks: int = 10_000
    runs: int = 500
    workflow_age: float = DAY
    workflows: int = 2_000


async def retire(
    tasks: Tasks,
    runs: Runs,
    engine: Engine,
    artifacts: ArtifactFolder,
    *,
    now: float,
    keep: Keep,
) -> None:
    """Deletes what is beyond the bounds, with the files of the runs that go."""
    await tasks.retire(before=now - keep.age, dead_before=now - keep.dead_age, kept=keep.tasks)
    for run_id in await runs.retire(before=now - keep.age, kept=keep.runs):
        await asyncio.to_thread(artifacts.remove, run_id)
    while await engine.retire(before=now - keep.workflow_age, kept=keep.workflows):
        pass  # it takes a bounded number at a time
