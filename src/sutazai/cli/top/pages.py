"""What `sutazai top` asks for the views that are read only while somebody looks at them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from rich.console import RenderableType

from sutazai.cli.top.alerts import alerts_parts
from sutazai.cli.top.gateway import gateway_parts
from sutazai.cli.top.keys import View
from sutazai.cli.top.overview import Overview, overview_parts
from sutazai.cli.top.rollouts import rollouts_parts
from sutazai.cli.top.screen import Page
from sutazai.cli.top.tasks import Work, tasks_parts
from sutazai.client import Control
from sutazai.fleet.alert_status import Alert
from sutazai.fleet.errors import DeadlineExceeded, NotFound
from sutazai.fleet.places import Places
from sutazai.fleet.rollouts import RolloutView
from sutazai.fleet.status import Event
from sutazai.fleet.work import OPEN, Run, Task
from sutazai.wire import Address, Client

WITHIN = 5.0
"""Seconds that all answers of a page may take together."""

EVENTS, TASKS, RUNS, WAITING = 30, 100, 20, 100
"""Most that is asked for of each: tasks of each open state, and the newest."""

Parts = Callable[[int], Iterable[RenderableType]]


class Pages:
    """Asks one fleet: its gateway on its own socket, and control for all else."""

    def __init__(self, client: Client, control: Control, places: Places) -> None:
        self._client = client
        self._control = control
        self._gateway = Address.parse(f"unix:{places.gateway_socket}")

    async def read(self, view: View) -> Page:
        """What is to be seen in ``view``. Raises SutazaiError where nobody answers."""
        read = {
            View.OVERVIEW: self._overview,
            View.GATEWAY: self._gateway_now,
            View.TASKS: self._tasks,
            View.ROLLOUTS: self._rollouts,
            View.ALERTS: self._alerts,
        }[view]
        try:
            async with asyncio.timeout(WITHIN):
                return Page(time.time(), await read())
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer within {WITHIN:g} s") from error

    async def _overview(self) -> Parts:
        events = await self._control.get("/events", limit=EVENTS)
        seen = Overview(
            status=await self._control.status(),
            alerts=await self._alerts_that(state="firing"),
            events=[Event.model_validate(event) for event in reversed(events)],
        )
        return partial(overview_parts, seen, now=time.time())

    async def _gateway_now(self) -> Parts:
        stats, backends, queue = [
            await self._client.call("GET", self._gateway, target)
            for target in ("/stats", "/backends", f"/queue?limit={WAITING}")
        ]
        return partial(gateway_parts, stats, backends, queue)

    async def _tasks(self) -> Parts:
        states = [await self._tasks_that(state=state.value) for state in reversed(OPEN)]
        newest = await self._tasks_that()
        runs = await self._control.get("/runs", limit=RUNS)
        work = Work(
            open=[task for tasks in states for task in tasks],
            ended=[task for task in newest if not task.state.is_open],
            runs=[Run.model_validate(run) for run in runs],
        )
        return partial(tasks_parts, work, now=time.time())

    async def _rollouts(self) -> Parts:
        try:
            view = RolloutView.model_validate(await self._control.get("/rollouts/current"))
        except NotFound:
            return partial(rollouts_parts, None)
        return partial(rollouts_parts, view)

    async def _alerts(self) -> Parts:
        alerts = await self._alerts_that()
        return lambda _width: alerts_parts(alerts)

    async def _alerts_that(self, **wanted: str) -> list[Alert]:
        return [Alert.model_validate(one) for one in await self._control.get("/alerts", **wanted)]

    async def _tasks_that(self, **wanted: Any) -> list[Task]:
        found = await self._control.get("/tasks", limit=TASKS, **wanted)
        return [Task.model_validate(task) for task in found]
