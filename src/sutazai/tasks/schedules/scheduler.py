"""Sleeps until a schedule's next time, and begins its work: each time once.

What is due is written down before it is begun, and taken off the list after. A crash in between
begins it again under the same idempotency key, which gives the work that is there already.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from sutazai.fleet.errors import DiskFull, NotFound, QueueFull, SutazaiError, Unavailable
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.ids import new_tag
from sutazai.fleet.scheduling import Schedule, ScheduleState, ScheduleStatus
from sutazai.store import Schedules
from sutazai.tasks.schedules import policy
from sutazai.tasks.schedules.policy import Step
from sutazai.tasks.schedules.starting import Starter
from sutazai.tasks.schedules.times import Times

NAP = 60.0
"""Most seconds of one sleep: the clock may be set meanwhile, or the machine be suspended."""
BEHIND_WORK = 2.0
"""Seconds between two looks at whether work has ended for which the next waits."""
AGAIN = 30.0
"""Seconds until what could not be begun now is tried again."""
SHOWN = 5
PASSING = (QueueFull, DiskFull, Unavailable)
"""Troubles that pass: what is due stays due."""

log = logging.getLogger(__name__)


class Tell(Protocol):
    """Hears what became of a schedule."""

    def __call__(self, kind: str, message: str, *, schedule: str) -> Awaitable[None]: ...


@dataclass(frozen=True)
class _Turn:
    """One time of a schedule that is due, and the work of earlier ones."""

    name: str
    due: float
    earlier: tuple[str, ...]


class Scheduler:
    """All schedules of a fleet.

    Args:
        clock: seconds since 1970.
    """

    def __init__(
        self,
        schedules: Mapping[str, Schedule],
        store: Schedules,
        starter: Starter,
        tell: Tell,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._schedules = schedules
        self._times = {name: Times(name, schedule) for name, schedule in schedules.items()}
        self._store = store
        self._starter = starter
        self._tell = tell
        self._clock = clock
        self._begun: set[str] = set()
        self._wakes: dict[str, float | None] = dict.fromkeys(schedules, 0.0)
        self._rung = asyncio.Event()

    async def run(self) -> None:
        """Begins what is due when it is due, until cancelled."""
        while True:
            await self.look()
            await self._sleep()

    async def look(self) -> None:
        """Does what is to be done by now."""
        for name, wake in [*self._wakes.items()]:
            if wake is None or wake > self._clock():
                continue
            try:
                self._wakes[name] = await self._look(name, self._clock())
            except PASSING as error:
                log.warning("schedule %s is looked at later: %s", name, error)
                self._wakes[name] = self._clock() + AGAIN

    async def all(self) -> list[ScheduleStatus]:
        """Every schedule, in the order of the fleet file."""
        return [await self.get(name) for name in self._schedules]

    async def get(self, name: str) -> ScheduleStatus:
        """One schedule. Raises NotFound."""
        schedule = self._known(name)
        state = policy.begun(await self._store.get(name), schedule, self._clock())
        state = state.model_copy(update={"work": await self._store.open_work(state.work)})
        starts = policy.next_starts(state, schedule, self._times[name], SHOWN)
        return ScheduleStatus(name=name, schedule=schedule, state=state, next=starts)

    async def pause(self, name: str) -> ScheduleStatus:
        """Holds one back until it is resumed. Raises NotFound."""
        return await self._turn(name, "paused", policy.paused)

    async def resume(self, name: str) -> ScheduleStatus:
        """Lets one go on from now. Raises NotFound."""
        return await self._turn(name, "resumed", policy.resumed)

    async def run_now(self, name: str) -> str:
        """The id of work that is begun at once, whatever the clock, the window and earlier work
        say. Raises NotFound, and what the desks raise."""
        schedule, key = self._known(name), f"schedule:{name}:now-{new_tag(10)}"
        work = await self._starter.start(schedule, key, ttl=None)
        await self._store.change(name, partial(policy.fired, work=work, now=self._clock()))
        await self._tell("schedule-fired", f"{name} began {work} by hand", schedule=name)
        return work

    async def _turn(
        self, name: str, word: str, change: Callable[[ScheduleState, float], ScheduleState]
    ) -> ScheduleStatus:
        self._known(name)
        now = self._clock()
        before, after = await self._store.change(name, lambda state: change(state, now))
        if before != after:
            await self._tell(f"schedule-{word}", f"schedule {name} {word}", schedule=name)
        self._wakes[name] = 0.0
        self._rung.set()
        return await self.get(name)

    def _known(self, name: str) -> Schedule:
        if name not in self._schedules:
            near = did_you_mean(name, self._schedules)
            hint = "\n".join(line for line in (near, "sutazai schedules list") if line)
            raise NotFound(f"there is no schedule {name!r}", hint=hint)
        return self._schedules[name]

    async def _sleep(self) -> None:
        while not self._rung.is_set():
            wakes = [wake for wake in self._wakes.values() if wake is not None]
            left = min(wakes) - self._clock() if wakes else NAP
            if left <= 0:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, NAP)):
                    await self._rung.wait()
        self._rung.clear()

    async def _look(self, name: str, now: float) -> float | None:
        """Does what is to be done about one schedule; when to look at it again."""
        schedule, times = self._schedules[name], self._times[name]
        if name not in self._begun:
            await self._store.change(name, lambda state: policy.begun(state, schedule, now))
            self._begun.add(name)
        state = await self._take(name, now)
        again = await self._work_off(name, state, now)
        wakes = [*policy.next_starts(state, schedule, times), *([again] if again else [])]
        return min(wakes, default=None)

    async def _take(self, name: str, now: float) -> ScheduleState:
        """Writes down what is due now."""
        decide = partial(
            policy.take, schedule=self._schedules[name], times=self._times[name], now=now
        )
        before, after = await self._store.change(name, lambda state: decide(state).state)
        if missed := decide(before).missed:
            message = f"{name} passed {missed} time{'s' * (missed != 1)} over: missed"
            await self._tell("schedule-missed", message, schedule=name)
        return after

    async def _work_off(self, name: str, state: ScheduleState, now: float) -> float | None:
        """Begins what is due, the oldest first; when to look again where something has to wait."""
        if state.paused is not None:
            return None
        known = state.work
        for due in state.due:
            turn = _Turn(name, due, known)
            work = await self._store.open_work(known)
            step = policy.step(self._schedules[name], work, self._times[name], now)
            if step is Step.LATER:
                opening = self._times[name].opening(now)
                return opening if opening > now else now + BEHIND_WORK
            if step is Step.SKIP:
                await self._settle(turn, "skipped", f"{work[0]} has not ended")
                continue
            await self._starter.cancel(work)
            known = (*known, *await self._fire(turn, now))
        return None

    async def _fire(self, turn: _Turn, now: float) -> tuple[str, ...]:
        """Begins the work of one time; its id, or none where it cannot be."""
        schedule, closing = self._schedules[turn.name], self._times[turn.name].closing(now)
        ttl = None if closing is None else closing - now
        key = f"schedule:{turn.name}:{stamp(turn.due)}"
        try:
            work = await self._starter.start(schedule, key, ttl=ttl)
        except PASSING:
            raise
        except SutazaiError as error:
            await self._settle(turn, "failed", error.message)
            return ()
        await self._settle(
            turn, "fired", f"began {work}", partial(policy.fired, work=work, now=now)
        )
        return (work,)

    async def _settle(
        self,
        turn: _Turn,
        word: str,
        why: str,
        also: Callable[[ScheduleState], ScheduleState] = lambda state: state,
    ) -> None:
        """Takes a time off the list and says what became of it; once, if several try."""
        ended = {*turn.earlier} - {*await self._store.open_work(turn.earlier)}
        last = f"{word} for {stamp(turn.due)}: {why}"

        def change(state: ScheduleState) -> ScheduleState:
            if turn.due not in state.due:
                return state
            return also(policy.settled(state, turn.due, last, ended=ended))

        before, _ = await self._store.change(turn.name, change)
        if turn.due in before.due:
            message = f"{turn.name} {last}"
            await self._tell(f"schedule-{word}", message, schedule=turn.name)


def stamp(moment: float) -> str:
    """A time as it stands in keys: ``20261122T020000Z``."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%SZ")
