"""Carries the scheduler's decisions out: callers wait here for their slots.

The one place where the scheduler meets the clock and the event loop.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterable

from sutazai.fleet.errors import NoModel, QueueFull, SutazaiError, Unavailable
from sutazai.fleet.ids import new_id
from sutazai.gateway.keys import Caller
from sutazai.gateway.scheduler import (
    Backend,
    Decision,
    Expire,
    Reject,
    Scheduler,
    Snapshot,
    Start,
    Why,
)
from sutazai.gateway.waiting import Entry

RETRY_MAX = 300

SERVICE_SHARE = 0.1
"""Weight of the latest call in the mean time that calls hold their slots."""


class WaitedTooLong(Unavailable):
    """The call found no free slot within its time in the queue."""


class Slot:
    """A caller's place on ``backend``. Whoever has one releases it."""

    def __init__(self, admission: Admission, id: str) -> None:  # noqa: A002 (the word of the field)
        self._admission = admission
        self.id = id
        self.backend = ""
        self.asked = admission.clock()
        self.started: float | None = None
        self.released = False

    @property
    def waited(self) -> float:
        """Seconds in the queue."""
        return (self._admission.clock() if self.started is None else self.started) - self.asked

    async def again(self) -> None:
        """The backend gave nothing: wait for another turn. Raises as `Admission.acquire`."""
        await self._admission.again(self)

    def release(self) -> None:
        """Gives the place up, in the queue or on a backend; a second time does nothing."""
        self._admission.release(self)


class Admission:
    """The queue in front of the backends.

    Args:
        limit: how many calls may wait.
        wait: how long each of them may, in seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self, *, limit: int, wait: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._wait = wait
        self._scheduler = Scheduler(limit=limit)
        self._prefix = new_id("call")
        self._calls = 0
        self._futures: dict[str, asyncio.Future[str]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._service = 0.0  # seconds that a call holds its slot, a moving mean

    async def acquire(self, caller: Caller, target: str) -> Slot:
        """A slot on a backend that serves ``target``, after waiting for one.

        Raises QueueFull, WaitedTooLong, or NoModel where no backend is available. A caller that is
        cancelled while it waits has left the queue.
        """
        self._calls += 1
        slot = Slot(self, f"{self._prefix}-{self._calls}")
        deadline = slot.asked + self._wait
        entry = Entry(slot.id, caller.name, caller.priority, target, deadline)
        await self._start(slot, self._scheduler.submit(slot.asked, entry))
        return slot

    async def again(self, slot: Slot) -> None:
        """Puts a running call back in the queue and waits for its next slot."""
        slot.started = None
        await self._start(slot, self._scheduler.again(self.clock(), slot.id))

    def release(self, slot: Slot) -> None:
        if slot.released:
            return
        slot.released, now = True, self.clock()
        if slot.started is not None:
            share = SERVICE_SHARE if self._service else 1.0
            self._service += (now - slot.started - self._service) * share
        self._carry_out(self._scheduler.cancel(now, slot.id))

    def update(self, *, limit: int, wait: float) -> None:
        """Bounds what comes from now on."""
        self._wait = wait
        self._scheduler.update_limit(limit)

    def update_backends(self, backends: Collection[Backend]) -> None:
        self._carry_out(self._scheduler.update_backends(self.clock(), backends))

    def snapshot(self) -> Snapshot:
        return self._scheduler.snapshot(self.clock())

    @property
    def running(self) -> int:
        return self._scheduler.running

    def retry_after(self) -> int:
        """Seconds after which a place in the queue is likely, from what calls take here."""
        ahead = self._scheduler.waiting + self._scheduler.running
        seconds = self._service * ahead / max(self._scheduler.slots, 1)
        return min(max(math.ceil(seconds), 1), RETRY_MAX)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def _start(self, slot: Slot, decisions: list[Decision]) -> None:
        started = self._futures[slot.id] = asyncio.get_running_loop().create_future()
        self._carry_out(decisions)
        try:
            slot.backend = await started
        except BaseException:
            self.release(slot)
            raise
        finally:
            self._futures.pop(slot.id, None)
        slot.started = self.clock()

    def _carry_out(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            future = self._futures.get(decision.id)
            # Without a future that waits, the caller has just been cancelled and will release.
            if future is None or future.done():
                continue
            if isinstance(decision, Start):
                future.set_result(decision.backend)
            else:
                future.set_exception(self._refusal(decision))
        self._set_timer()

    def _refusal(self, decision: Expire | Reject) -> SutazaiError:
        retry = self.retry_after()
        if isinstance(decision, Expire):
            return WaitedTooLong(
                f"no slot became free within {self._wait:g} s",
                hint="try again later, or add slots or backends",
                retry_after=retry,
            )
        if decision.why is Why.QUEUE_FULL:
            return QueueFull(
                f"the queue is full: {self._scheduler.waiting} calls wait",
                hint="try again later",
                retry_after=retry,
            )
        return NoModel(
            "no backend for this model is available",
            hint="see why in `sutazai status`",
            retry_after=retry,
        )

    def _set_timer(self) -> None:
        due = self._scheduler.next_due()
        if due == self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, due
        if due is not None:
            delay = max(due - self.clock(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = self._due = None
        self._carry_out(self._scheduler.tick(self.clock()))
