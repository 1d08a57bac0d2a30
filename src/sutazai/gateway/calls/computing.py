"""One answer, computed: through the queue to a backend, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from sutazai.fleet.errors import Failed, NoModel, QueueFull, SutazaiError
from sutazai.fleet.serving import Overflow
from sutazai.gateway.backends.catalogue import Target
from sutazai.gateway.backends.faults import Fault, fault_of
from sutazai.gateway.calls.account import Account
from sutazai.gateway.calls.ask import Ask
from sutazai.gateway.calls.attempt import Attempt
from sutazai.gateway.calls.planning import Plan
from sutazai.gateway.calls.plant import Plant
from sutazai.gateway.queue.admission import Slot, WaitedTooLong
from sutazai.gateway.queue.entries import Entry
from sutazai.gateway.records.call import Outcome
from sutazai.gateway.sharing.keys import ShareKey
from sutazai.wire import Response

ATTEMPTS = 3
"""So often a call is tried before its client hears of a failure; never after the client got the
first byte of an answer."""


class Computation(msgspec.Struct, eq=False):
    """One call on its way through the queue to a backend, or to several until one answers.

    ``account`` is closed at its end; ``key`` is set where its answer may be kept.
    """

    _plant: Plant
    account: Account
    ask: Ask
    plan: Plan
    key: ShareKey | None = None
    _attempts: int = 0
    _failed: dict[str, Fault] = {}  # backends, and what the last attempt there met
    _first: SutazaiError | None = None

    @property
    def waiting(self) -> bool:
        """Whether it has no slot yet."""
        return self.account.queued is None

    @property
    def went_as_planned(self) -> bool:
        """Whether what it was meant for has answered, and to the whole of the prompt."""
        return self.account.target is self.plan.targets[0] and not self.account.context

    async def run(self) -> Response:
        """The answer. Raises what went wrong before its first byte."""
        plant, account, plan, slot = self._plant, self.account, self.plan, None
        admission, target = plant.admission, plan.targets[0]
        try:
            now = admission.clock()
            deadline = now + plan.wait
            slot = admission.enter(now, self._entry(target, deadline))
            if not slot.backend:
                slot, target = await self._await_turn(slot, deadline)
            while True:
                account.target = target
                account.queued, account.first_token = slot.waited, None
                attempt = Attempt(plant, account, self.ask, plan, target, slot)
                try:
                    return await attempt.run()
                except SutazaiError as error:
                    target = await self._try_elsewhere(slot, target, error)
        except asyncio.CancelledError:  # its slot is its own until the backend has stopped
            self.account.end(Outcome.CANCELLED)
            raise
        except Exception as error:  # a bug must not keep what the call holds either
            if slot is not None:
                slot.release()
            if isinstance(error, SutazaiError):
                self.account.fail(error)
            else:
                self.account.end(Outcome.FAILED, status=500, error=Failed.__name__)
            raise

    def comment(self) -> str:
        """How things stand, in a line for whoever waits."""
        if not self.waiting:
            return "the model reads the prompt"
        position = self._plant.admission.position(self.account.id)
        if position is None:
            return "waiting"
        eta = "" if position.eta is None else f", about {position.eta:.0f} s to go"
        return f"waiting; position {position.ahead + 1}{eta}"

    async def _await_turn(self, slot: Slot, deadline: float) -> tuple[Slot, Target]:
        """``slot``, which is for the plan's first target, once it is on a backend; or one for
        another target, where that can be had and the first cannot."""
        first: SutazaiError | None = None
        targets, admission = self.plan.targets, self._plant.admission
        if len(targets) > 1:  # those first that a backend serves now
            targets = tuple(sorted(targets, key=lambda target: not admission.serves(target.key)))
        for target in targets:
            if slot.entry.target != target.key:
                slot = admission.enter(admission.clock(), self._entry(target, deadline))
            try:
                await admission.await_turn(slot)
            except (NoModel, QueueFull, WaitedTooLong) as refusal:
                first = first or refusal
                if not self._may_go_on(refusal):
                    break
            else:
                return slot, target
        assert first is not None, "a plan has a target"  # noqa: S101 (for the type checker)
        raise first

    def _entry(self, target: Target, deadline: float) -> Entry:
        caller, plan, plant = self.plan.caller, self.plan, self._plant
        cost = plant.costs.expected(caller.name)
        # By position: names would cost as much again, for each call.
        return Entry(
            self.account.id,
            caller.name,
            plan.priority,
            target.key,
            deadline,
            plan.prefix,
            len(self.ask.raw),
            cost,
            caller.agent,
        )

    def _may_go_on(self, refusal: SutazaiError) -> bool:
        """Whether another tier may be asked: an outage always, a full queue where it is wished."""
        if isinstance(refusal, NoModel):
            return True
        return self._plant.overflow is Overflow.ANOTHER_TIER and not (
            isinstance(refusal, WaitedTooLong) and refusal.expired
        )

    async def _try_elsewhere(self, slot: Slot, target: Target, error: SutazaiError) -> Target:
        """Until ``slot`` is one on another backend, or for another target, or anew on a backend
        that may be back; gives the target that it is for. Raises what went wrong first, which says
        most, where nothing is left."""
        fault = fault_of(error)
        if fault is None:
            raise error
        self._first = self._first or error
        self._attempts += 1
        self._failed[slot.backend] = fault
        turn = self._next_turn(target, self._failed)
        if turn is None:
            raise self._first from None
        target, without = turn
        try:
            await slot.again(target=target.key, without=without)
        except SutazaiError:
            raise self._first from None
        return target

    def _next_turn(
        self, target: Target, failed: Mapping[str, Fault]
    ) -> tuple[Target, frozenset[str]] | None:
        """What to wait for after ``target`` failed on all of ``failed``, and on which backends
        not; None where nothing is left."""
        if self._attempts == ATTEMPTS:
            return None
        serves, everywhere = self._plant.admission.serves, frozenset(failed)
        if serves(target.key, everywhere):
            return target, everywhere
        # A backend that only failed with the one model may do with another.
        unfit = frozenset(name for name, fault in failed.items() if fault is not Fault.FAILED)
        for following in self.plan.following(target):
            if serves(following.key, unfit):
                return following, unfit
        if target.models.keys() - everywhere:
            return target, everywhere
        if len(failed) == self._attempts == 1 and Fault.UNREACHABLE in failed.values():
            return target, frozenset()
        return None
