"""Writes down each change of a run and tells those who watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sutazai.fleet.work import Run
from sutazai.store import Runs
from sutazai.tasks.progress import Progress


class RunJournal:
    """The one way in which runs change."""

    def __init__(self, runs: Runs, progress: Progress) -> None:
        self._runs = runs
        self._progress = progress

    async def begin(self, run: Run, declared: dict[str, Any] | None = None) -> None:
        """Records a new run, with the workflow that was declared for it."""
        await self._runs.add(run, declared)
        self._progress.publish(run)

    async def change(self, run_id: str, change: Callable[[Run], Run]) -> Run:
        """Applies a function of `record`; one that has ended stays. Raises NotFound."""
        run = await self._runs.change(run_id, change)
        self._progress.publish(run)
        return run

    async def end(self, run_id: str, change: Callable[[Run], Run]) -> Run | None:
        """As ``change``; None where the run had ended before."""
        applied = False

        def once(run: Run) -> Run:
            nonlocal applied
            applied = True
            return change(run)

        run = await self.change(run_id, once)
        return run if applied else None
