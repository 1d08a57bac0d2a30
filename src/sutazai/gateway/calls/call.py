"""One call of a client, from its request to the end of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import msgspec

from sutazai.fleet.errors import NoModel, QueueFull, SutazaiError
from sutazai.gateway.callers.budgets import BudgetSpent
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.callers.rates import rate_headers
from sutazai.gateway.calls.account import Account
from sutazai.gateway.calls.ask import Ask, parse_object
from sutazai.gateway.calls.computing import Computation
from sutazai.gateway.calls.courses import Course
from sutazai.gateway.calls.patience import Waiting
from sutazai.gateway.calls.planning import find_course, plan_call
from sutazai.gateway.calls.plant import Plant
from sutazai.gateway.calls.sender import Sender, SenderOf
from sutazai.gateway.calls.shared import Sharing
from sutazai.gateway.dialects.codec import ClientCodec
from sutazai.gateway.dialects.neutral import Form
from sutazai.gateway.dialects.streams import write_json
from sutazai.gateway.failures import failure_of
from sutazai.gateway.queue.admission import WaitedTooLong
from sutazai.gateway.records.call import Outcome
from sutazai.gateway.records.letter import DeadLetter
from sutazai.wire import Request, Response

SSE = "text/event-stream"

_JSON = ("content-type", "application/json")
_OF_THE_QUEUE = (QueueFull, NoModel, WaitedTooLong)


class LlmCall(msgspec.Struct, eq=False):
    """One call of a client that speaks as ``_codec`` does, at the endpoint of ``_form``."""

    _plant: Plant
    _sharing: Sharing
    _codec: ClientCodec
    _form: Form
    _account: Account
    _waiting: Waiting | None = None

    async def serve(self, request: Request, sender_of: SenderOf) -> Response:
        """The answer, or the error in the client's own dialect."""
        try:
            sender = sender_of(request)
            raw = request.at_hand()
            if raw is None:
                raw = await request.read()
            ask = self._read(sender, raw)
            course = self._plant.courses.known(sender.caller, ask.model())
            if course is None:
                course = await find_course(self._plant, self._account, ask)
            return await self._work(request, ask, course)
        except SutazaiError as error:
            return self._refused(error)
        except asyncio.CancelledError:
            self._left()
            raise
        finally:
            if self._waiting is not None:
                self._waiting.end()

    def _read(self, sender: Sender, raw: bytes) -> Ask:
        """What is asked, noted in the account. Raises BadInput, BudgetSpent or TaskStopped."""
        account, plant, codec, caller = self._account, self._plant, self._codec, sender.caller
        account.caller = caller
        if caller.agent:
            plant.activity.ask(caller.name)
        value = parse_object(raw)
        stream = codec.wants_stream(self._form, value)
        account.ask = ask = Ask(codec, self._form, raw, value, stream, sender.headers)
        if sender.task:
            account.served = plant.tasks.call(caller, sender.task, ask.path, raw, account.begun)
        if caller.budget is not None:
            self._admit(caller)
        return ask

    def _work(self, request: Request, ask: Ask, course: Course) -> Coroutine[Any, Any, Response]:
        """What gives the answer. Raises DeadlineExceeded or ContextExceeded."""
        account, plant, codec = self._account, self._plant, self._codec
        plan, ask = plan_call(plant, account, ask, course)
        computation = Computation(plant, account, ask, plan)
        if ask.stream and codec.stream_type.startswith(SSE):
            begins = partial(_headers, codec, account)
            self._waiting = Waiting(request, begins, computation.comment, plant.patience)
        return self._sharing.answer(account, ask, computation) or computation.run()

    def _admit(self, caller: Caller) -> None:
        """Takes a place within the caller's budget. Raises BudgetSpent."""
        account, plant = self._account, self._plant
        try:
            account.hold = plant.budgets.admit(caller, account.at)
        finally:
            account.rates = rate_headers(plant.budgets, caller, account.at)

    # telling

    def _refused(self, error: SutazaiError) -> Response:
        self._close(error)
        if self._waiting is not None and self._waiting.told:
            return Response(200, (), self._frame(error))
        failure = failure_of(error)
        body = self._codec.failure_body(failure, same_dialect=self._account.relayed)
        retry = failure.retry_after
        if retry is None and failure.status in (429, 503):
            retry = self._plant.admission.retry_after()
        wait = [] if retry is None else [("retry-after", str(retry))]
        headers = [_JSON, *wait, *self._account.headers()]
        return Response(failure.status, headers, write_json(body))

    def _frame(self, error: SutazaiError) -> bytes:
        failure = failure_of(error)
        return self._codec.failure_frame(self._form, failure, same_dialect=self._account.relayed)

    def _close(self, error: SutazaiError) -> None:
        self._account.fail(error)
        if isinstance(error, _OF_THE_QUEUE) and not isinstance(error, BudgetSpent):
            self._plant.letters.add(_letter(self._account, error))

    def _left(self) -> None:
        """The client is gone; what is computed for others too goes on."""
        if not self._account.lent:
            self._account.end(Outcome.CANCELLED)


def _headers(codec: ClientCodec, account: Account) -> list[tuple[str, str]]:
    """Of a stream whose answer is not known yet."""
    return [("content-type", codec.stream_type), *account.headers()]


def _letter(account: Account, error: SutazaiError) -> DeadLetter:
    """A call that the queue refused, as it is kept."""
    caller, ask = account.caller, account.ask
    return DeadLetter(
        id=account.id,
        at=account.at,
        caller="" if caller is None else caller.name,
        task=account.task,
        model="" if ask is None else str(ask.value.get("model") or ""),
        path="" if ask is None else ask.path,
        content_type="application/json",
        priority="" if caller is None else caller.priority.value,
        reason=error.as_dict(),
        body=b"" if ask is None else ask.raw,
    )
