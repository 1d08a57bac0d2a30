"""What one attempt at a backend holds, and how it is let go."""

from __future__ import annotations

import msgspec

from sutazai.fleet.errors import SutazaiError
from sutazai.gateway.calls.account import Account
from sutazai.gateway.calls.plant import Plant
from sutazai.gateway.calls.ways import Way
from sutazai.gateway.dialects.neutral import NO_USAGE, Call, Form, Usage
from sutazai.gateway.queue.admission import Slot
from sutazai.gateway.records.call import Outcome
from sutazai.wire import Sent


class Work(msgspec.Struct, eq=False):
    """A slot, and what was ``sent`` to its backend, once it was. Let go exactly once.

    ``call`` is None where the bytes of client and backend are relayed; ``form`` is what the backend
    is asked for. ``gathered`` says that it was asked for a stream although the client wants the
    answer as a whole.
    """

    _plant: Plant
    _account: Account
    _slot: Slot
    way: Way
    call: Call | None
    form: Form
    gathered: bool = False
    sent: Sent | None = None
    held: bool = True  # until it is let go

    def done(self, usage: Usage) -> None:
        """The backend has answered to the end."""
        if self.held:
            self._let_go()
            self._slot.release(self._tell(usage))

    def failed(self, error: SutazaiError, *, keep_slot: bool = False) -> None:
        """The backend has not; with ``keep_slot`` the call tries another one."""
        if not self.held:
            return
        self._let_go()
        way, account = self.way, self._account
        party = ("" if account.caller is None else account.caller.name, account.task)
        self._plant.backends.failed(way.name, way.model, error, party)
        if not keep_slot:
            self._slot.release()

    def left(self) -> None:
        """The client is gone."""
        if not self.held:
            return
        self.held = False
        if self.sent is None:
            self._slot.release()
        else:
            self._plant.departures.see_off(self.sent, self._slot)

    def _let_go(self) -> None:
        self.held = False
        if self.sent is not None:
            self.sent.drop()

    def _tell(self, usage: Usage) -> float:
        """Tells what the answer took; gives what it cost."""
        account, way = self._account, self.way
        started = account.queued or 0.0
        total = account.clock() - account.begun
        first = account.first_token or total
        name, caller = way.name, account.caller
        self._plant.backends.succeeded(
            name,
            way.model,
            usage.completion_tokens,
            total - started,
            None if account.first_token is None else first - started,
        )
        return self._plant.costs.ended(
            "" if caller is None else caller.name,
            name,
            way.model,
            usage,
            max(first - started, 0.0),
            max(total - first, 0.0),
        )


def end(
    work: Work,
    account: Account,
    outcome: Outcome,
    usage: Usage = NO_USAGE,
    error: SutazaiError | None = None,
) -> None:
    """Lets ``work`` go as ``outcome`` demands, and closes the account."""
    if error is not None:
        work.failed(error)
        account.fail(error, usage)
        return
    if outcome is Outcome.DONE:
        work.done(usage)
    else:
        work.left()
    account.end(outcome, usage)
