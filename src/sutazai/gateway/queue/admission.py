"""Carries the scheduler's decisions out: callers wait here for their slots.

The one place where the scheduler meets the clock and the event loop.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from typing import Any

from sutazai.fleet.errors import NoModel, QueueFull, SutazaiError, Unavailable
from sutazai.fleet.serving import Queue
from sutazai.gateway.queue.entries import (
    Decision,
    Entry,
    Expire,
    Limits,
    Position,
    Reject,
    Row,
    Snapshot,
    Start,
    Why,
)
from sutazai.gateway.queue.lanes import Backend
from sutazai.gateway.queue.scheduler import Scheduler
from sutazai.gateway.queue.waiting import NO_BACKENDS, Ticket
from sutazai.wire import Wake

RETRY_MAX = 300

_TRY_LATER = "try again later, or add slots or backends"


class WaitedTooLong(Unavailable):
    """The call found no free slot within its time in the queue (``expired``), or was not let in
    because it would not have found one."""

    def __init__(self, message: str, *, expired: bool, **more: Any) -> None:
        super().__init__(message, **more)
        self.expired = expired


class Slot(Ticket):
    """A caller's place on ``backend``. Whoever has one releases it."""

    __slots__ = ("admission", "released")

    admission: Admission
    released: bool

    @property
    def id(self) -> str:
        return self.entry.id

    async def again(
        self, *, target: str | None = None, without: frozenset[str] = frozenset()
    ) -> None:
        """The backend gave nothing: wait for another turn, for another target if there is one, and
        on none of the backends ``without``. Raises as `Admission.await_turn`."""
        admission, now = self.admission, self.admission.clock()
        decisions = admission.scheduler.again(now, self.id, target=target, without=without)
        await admission.until_decided(self, decisions)

    def linger(self) -> None:
        """The client is gone; the place counts as taken until it is released."""
        admission = self.admission
        if not self.released:
            now = admission.clock()
            admission.carry_out(admission.scheduler.cancel(now, self.id, linger=True))

    def release(self, cost: float | None = None) -> None:
        """Gives the place up, in the queue or on a backend; a second time does nothing.

        ``cost`` is what the call cost in seconds of a slot, by default the time that it had it.
        """
        if self.released:
            return
        admission = self.admission
        if not self.backend:
            admission.leave(self)
            return
        self.released = True
        decisions = admission.scheduler.finish(admission.clock(), self.entry.id, cost)
        # Where nobody waited, nobody is to be told, and no time is to be waited for.
        if decisions or admission.due is not None:
            admission.carry_out(decisions)


class _Turn(Wake, eq=False):
    """Rung once it is ``decided`` on a call that waits: it runs, or was refused with ``error``."""

    decided: bool = False
    error: SutazaiError | None = None

    async def outcome(self) -> None:
        """Once it is decided. Raises ``error``."""
        await self
        if self.error is not None:
            raise self.error


class Admission:
    """The queue in front of the backends.

    Its slots do with ``scheduler`` what their holders tell them, and have it carried out. ``due``
    is when that has something to decide though nothing else happens.

    Args:
        queue: its bounds, and the longest wait.
        hurried: entered for as long as a call waits: that a slot is free is to be known at once.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        queue: Queue,
        hurried: Callable[[], AbstractContextManager[None]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hurried = hurried
        self.clock = clock
        self.wait = queue.wait
        self.scheduler = Scheduler(_limits(queue))
        self._turns: dict[str, _Turn] = {}
        self._available: list[Backend] = []
        self._timer: asyncio.TimerHandle | None = None
        self.due: float | None = None

    def enter(self, now: float, entry: Entry) -> Slot:
        """A slot on a backend that serves the entry's target, where one is free; else one without a
        ``backend``, whose caller goes on to `await_turn`, or has nothing to give back."""
        slot = Slot()
        slot.entry = entry
        slot.without = NO_BACKENDS
        slot.backend = ""
        slot.admission = self
        slot.released = False
        self.scheduler.start(now, slot)
        return slot

    async def await_turn(self, slot: Slot) -> None:
        """Until ``slot``, which has just entered, is on a backend.

        Raises QueueFull, WaitedTooLong, or NoModel where no backend is available. A caller that is
        cancelled while it waits has left the queue.
        """
        if not slot.backend:
            await self.until_decided(slot, self.scheduler.enqueue(self.clock(), slot))

    def update(self, queue: Queue) -> None:
        """Bounds what comes from now on."""
        self.wait = queue.wait
        self.scheduler.update_limits(_limits(queue))

    @property
    def idle(self) -> bool:
        """Whether no call runs, and none waits."""
        return not (self.scheduler.running or self.scheduler.waiting)

    @property
    def bound(self) -> int:
        """How many calls may wait."""
        return self.scheduler.bound

    def serves(self, target: str, without: frozenset[str] = frozenset()) -> bool:
        """Whether a backend, none of ``without``, is available for ``target`` now."""
        return any(target in each.targets and each.name not in without for each in self._available)

    def update_backends(self, backends: Collection[Backend]) -> None:
        self._available = [each for each in backends if each.available]
        self.carry_out(self.scheduler.update_backends(self.clock(), backends))

    def pause(self) -> None:
        """Agents' calls wait from now on."""
        self.carry_out(self.scheduler.pause(self.clock()))

    def resume(self) -> None:
        """They go on."""
        self.carry_out(self.scheduler.resume(self.clock()))

    def snapshot(self) -> Snapshot:
        return self.scheduler.snapshot(self.clock())

    def load(self, backend: str) -> tuple[int, int]:
        """Calls that run on ``backend``, and calls in the queue."""
        return self.snapshot().running.get(backend, 0), self.scheduler.waiting

    def position(self, key: str) -> Position | None:
        """Where the call of this id stands, None where it does not wait."""
        return self.scheduler.position(self.clock(), key)

    def rows(self, most: int) -> list[Row]:
        """Who waits, in the order in which they are likely to start."""
        return self.scheduler.queue(self.clock(), most)

    def retry_after(self) -> int:
        """Seconds after which a place in the queue is likely, from what calls take here."""
        ahead = self.scheduler.waiting + self.scheduler.running
        return _seconds(self.scheduler.service * ahead / max(self.scheduler.slots, 1))

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # for its slots

    async def until_decided(self, slot: Slot, decisions: list[Decision]) -> None:
        turn = self._turns[slot.id] = _Turn(asyncio.get_running_loop())
        self.carry_out(decisions)
        try:
            with self._hurried():
                await turn.outcome()
        except BaseException:  # it leaves the queue, also where it is cancelled
            self.leave(slot)
            raise
        finally:
            self._turns.pop(slot.id, None)

    def leave(self, slot: Slot) -> None:
        """Its caller has nothing of it."""
        slot.released = True
        self.carry_out(self.scheduler.cancel(self.clock(), slot.id))

    def carry_out(self, decisions: Iterable[Decision]) -> None:
        """Tells who waits. Those go on then and there, and may come back here: so it is the last
        that is done, and a slot that is free is in use again at once."""
        rung: list[_Turn] = []
        for decision in decisions:
            turn = self._turns.get(decision.id)
            # Without one that waits, the caller has just been cancelled and will release.
            if turn is None or turn.decided:
                continue
            turn.decided = True
            if not isinstance(decision, Start):
                turn.error = self._refusal(decision)
            rung.append(turn)
        self._set_timer()
        for turn in rung:
            turn.set()

    # telling who waits

    def _refusal(self, decision: Expire | Reject) -> SutazaiError:
        if isinstance(decision, Expire):
            return WaitedTooLong(
                f"no slot became free within {self.wait:g} s",
                expired=True,
                hint=_TRY_LATER,
                retry_after=self.retry_after(),
            )
        facts = {**_facts(decision.position), "retry_after": self._retry(decision.position)}
        if decision.why is Why.NO_BACKEND:
            return NoModel(
                "no backend for this model is available",
                hint="see why in `sutazai gateway backends`",
                **facts,
            )
        if decision.why is Why.TOO_LATE:
            return WaitedTooLong(
                "it could not start before its deadline", expired=False, hint=_TRY_LATER, **facts
            )
        if decision.why is Why.SHED:
            return QueueFull(
                "it made way for another call in the full queue", hint=_TRY_LATER, **facts
            )
        return QueueFull(
            f"the queue is full: {self.scheduler.waiting} calls wait", hint=_TRY_LATER, **facts
        )

    def _retry(self, position: Position | None) -> int:
        if position is None or position.eta is None:
            return self.retry_after()
        return _seconds(position.eta)

    def _set_timer(self) -> None:
        due = self.scheduler.next_due()
        if due == self.due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.due = None, due
        if due is not None and due != math.inf:
            delay = max(due - self.clock(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = self.due = None
        self.carry_out(self.scheduler.tick(self.clock()))


def _limits(queue: Queue) -> Limits:
    return Limits(queue.limit, queue.size, queue.overflow)


def _facts(position: Position | None) -> dict[str, Any]:
    """What a refused client is told of the queue."""
    if position is None:
        return {}
    eta = {} if position.eta is None else {"eta": round(position.eta, 1)}
    return {"position": position.ahead + 1, **eta}


def _seconds(seconds: float) -> int:
    return min(max(math.ceil(seconds), 1), RETRY_MAX)
