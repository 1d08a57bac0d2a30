"""The body of a recorded step: attempts, written down as they are made."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.work import Artifact, Run, WorkState
from sutazai.tasks import record
from sutazai.tasks.attempts import attempt
from sutazai.tasks.calls import well_formed
from sutazai.tasks.inflight import InFlight, Withdrawn
from sutazai.tasks.journal import RunJournal
from sutazai.tasks.outcome import WITHDRAWN, Outcome
from sutazai.tasks.retries import Retries


@dataclass(frozen=True)
class Made:
    """What one attempt made: what the workflow goes on with, its file, and how the run changes
    beyond that."""

    value: Any = None
    artifact: Artifact | None = None
    change: Callable[[Run], Run] | None = None


Work = Callable[[Run], Awaitable[Made]]
Began = Callable[[Run, str, float], Run]


class Steps:
    """Does steps of runs, each until it is done, failed for good, or withdrawn."""

    def __init__(self, journal: RunJournal) -> None:
        self._journal = journal
        self._in_flight = InFlight()

    def withdraw(self, run_id: str) -> None:
        """Ends what is in flight for a run that was cancelled."""
        self._in_flight.withdraw(run_id)

    async def do(
        self,
        run_id: str,
        step: str,
        retries: Retries,
        work: Work,
        *,
        began: Began = record.started,
    ) -> Outcome:
        """What came of a step; it never raises what an agent did.

        ``began`` writes down that an attempt of a step was begun at a time.
        """
        once = partial(self._once, run_id, step, work, began)
        try:
            return await self._in_flight.run(run_id, self._attempts(run_id, step, retries, once))
        except Withdrawn:
            return WITHDRAWN
        except SutazaiError as failure:
            error = well_formed(failure.as_dict())
            await self._journal.change(
                run_id, lambda run: record.failed(run, step, time.time(), error)
            )
            return Outcome(error=error)

    async def _attempts(
        self, run_id: str, step: str, retries: Retries, once: Callable[[], Awaitable[Made]]
    ) -> Outcome:
        async def stumbled(error: SutazaiError) -> None:
            error_dict = well_formed(error.as_dict())
            await self._journal.change(run_id, lambda run: record.stumbled(run, step, error_dict))

        made = await attempt(once, retries, stumbled)
        await self._journal.change(run_id, lambda run: _finished(run, step, made))
        return Outcome(value=made.value)

    async def _once(self, run_id: str, step: str, work: Work, began: Began) -> Made:
        run = await self._journal.change(run_id, lambda run: began(run, step, time.time()))
        if run.state is not WorkState.RUNNING:
            raise Withdrawn(run_id)
        return await work(run)


def _finished(run: Run, step: str, made: Made) -> Run:
    run = record.finished(run, step, time.time(), made.artifact)
    return made.change(run) if made.change else run
