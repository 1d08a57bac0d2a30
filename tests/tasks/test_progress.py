"""Who watches a run sees its newest state, however slow."""

from __future__ import annotations

import asyncio

import pytest

from sutazai.fleet.work import Run, WorkState
from sutazai.tasks.inflight import InFlight, Withdrawn
from sutazai.tasks.progress import Progress


def run(run_id: str, note: str) -> Run:
    return Run(
        id=run_id,
        workflow="standard",
        goal="g",
        state=WorkState.RUNNING,
        created=1.0,
        notes=(note,),
    )


async def test_a_slow_watcher_skips_to_the_newest_state_of_its_own_run() -> None:
    progress = Progress()
    with progress.watch("run-1") as slow, progress.watch("run-1") as other:
        for note in "abc":
            progress.publish(run("run-1", note))
        progress.publish(run("run-2", "of another"))
        assert (await slow.next()).notes == ("c",)
        assert (await other.next()).notes == ("c",)
        progress.publish(run("run-1", "d"))
        assert (await slow.next()).notes == ("d",)
    progress.publish(run("run-1", "nobody watches"))


async def test_withdrawn_work_ends_at_once_and_other_work_goes_on() -> None:
    in_flight = InFlight()

    async def work(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    withdrawn = asyncio.create_task(in_flight.run("a", work(60)))
    other = asyncio.create_task(in_flight.run("b", work(0.05)))
    await asyncio.sleep(0)
    in_flight.withdraw("a")
    in_flight.withdraw("nobody")
    with pytest.raises(Withdrawn):
        await withdrawn
    assert await other == "done"


async def test_the_end_of_the_process_is_not_taken_for_a_withdrawal() -> None:
    in_flight = InFlight()
    waiting = asyncio.create_task(in_flight.run("a", asyncio.sleep(60)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
