"""Calls that equal another one: answered from the cache, or together with the one under way."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, Self

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import SutazaiError
from sutazai.gateway.backends.catalogue import Target
from sutazai.gateway.calls.account import Account
from sutazai.gateway.calls.ask import Ask, parse_object
from sutazai.gateway.calls.computing import Computation
from sutazai.gateway.calls.plant import Plant
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.collect import Collector, replay
from sutazai.gateway.dialects.neutral import Answer, Envelope, Form
from sutazai.gateway.dialects.streams import write_json
from sutazai.gateway.queue.entries import LEVEL_OF
from sutazai.gateway.records.call import Outcome
from sutazai.gateway.sharing.cache import Hit
from sutazai.gateway.sharing.flights import Flights, Seat
from sutazai.gateway.sharing.keys import ShareKey, is_deterministic, is_neutral, share_key
from sutazai.wire import Response

_FORMS = frozenset({Form.CHAT, Form.COMPLETION, Form.EMBEDDING})


class Sharing:
    """Computes equal calls once, and keeps their answers."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._flights: Flights[Computation] = Flights(self._landed)

    @property
    def joined(self) -> int:
        """How many calls were computed together with another one."""
        return self._flights.joined

    def answer(
        self, account: Account, ask: Ask, computation: Computation
    ) -> Coroutine[Any, Any, Response] | None:
        """The answer to a call that equals another one; None where it is to be computed for
        itself."""
        dialect = ask.codec.dialect
        if not self._plant.shares or dialect is None or ask.form not in _FORMS:
            return None
        if not is_deterministic(dialect, ask.form, ask.value):
            return None
        key = computation.key = _key_of(dialect, ask, computation)
        if key is None:
            return None
        hit = self._plant.cache.get(key, account.begun)
        if hit is not None:
            return _replayed(account, ask, computation, hit)
        return self._joined(account, key, computation)

    async def close(self) -> None:
        """Ends what is computed for several; their clients are told."""
        await self._flights.close()

    async def _joined(self, account: Account, key: ShareKey, computation: Computation) -> Response:
        rank = LEVEL_OF[computation.plan.priority]
        seat = self._flights.join(key.exact, computation, rank=rank)
        account.lent = seat.led
        try:
            response = await seat.response()
        except asyncio.CancelledError:
            seat.leave()
            raise
        return response if seat.led else _followed(account, seat, response)

    def _landed(self, computation: Computation, body: bytes) -> None:
        """Keeps the answer of a computation, where it can be had again."""
        key, ask = computation.key, computation.ask
        if key is None or not computation.went_as_planned:
            return
        cache, now = self._plant.cache, self._plant.clock()
        if ask.form is Form.EMBEDDING:
            cache.put(key, body, "stop", now)
            return
        try:
            answer = _neutral(ask, body)
        except SutazaiError:
            return  # it was good enough for the client; it is not kept
        kept = answer if is_neutral(ask.value) else None
        cache.put(key, body, answer.end.reason, now, answer=kept)


def _neutral(ask: Ask, body: bytes) -> Answer:
    assert ask.codec.dialect is not None  # noqa: S101 (for the type checker)
    codec = CODECS[ask.codec.dialect]
    if ask.stream:
        collector = Collector(codec.decoder(ask.form))
        collector.feed(body)
        return collector.finish()
    answer = codec.parse_answer(ask.form, parse_object(body))
    assert isinstance(answer, Answer)  # noqa: S101 (embeddings are no answers)
    return answer


def _key_of(dialect: Dialect, ask: Ask, computation: Computation) -> ShareKey | None:
    plan = computation.plan
    return share_key(
        plan.caller.name,
        dialect,
        ask.form,
        ask.value,
        _weights(plan.targets[0]),
        stream=ask.stream,
    )


def _weights(target: Target) -> Iterator[str]:
    """What says which weights answer: names, and digests where they are told."""
    yield target.key
    for backend, model in sorted(target.models.items()):
        known = target.known.get(backend)
        entry = {} if known is None or known.entry is None else known.entry
        yield model or ""
        yield str(entry.get("digest", ""))


async def _replayed(account: Account, ask: Ask, computation: Computation, hit: Hit) -> Response:
    account.cache, account.queued = "hit", 0.0
    body = hit.body if hit.body is not None else _rendered(account, ask, computation, hit)
    account.bytes_out = len(body)
    kind = ask.codec.stream_type if ask.stream else "application/json"
    headers = [("content-type", kind), *account.headers()]
    account.end(Outcome.DONE)
    return Response(200, headers, body)


def _rendered(account: Account, ask: Ask, computation: Computation, hit: Hit) -> bytes:
    """A kept answer in the other manner than it was heard in."""
    dialect, answer = ask.codec.dialect, hit.answer
    assert dialect is not None and answer is not None  # noqa: S101, PT018 (for the type checker)
    codec = CODECS[dialect]
    call = codec.parse(ask.form, ask.value)
    envelope = Envelope(account.id, ask.model() or computation.plan.targets[0].name, account.at)
    if ask.stream:
        return replay(answer, codec.encoder(ask.form, envelope, call), 0.0)
    return write_json(codec.render_answer(ask.form, answer, envelope, 0.0, call))


def _followed(account: Account, seat: Seat[Computation], response: Response) -> Response:
    """The answer to a call that another one computes."""
    leader = seat.computation.account
    account.cache, account.queued = "shared", leader.queued
    account.backend, account.model, account.target = leader.backend, leader.model, leader.target
    account.first_token = account.age
    kind = [(name, value) for name, value in response.headers if name == "content-type"]
    headers = [*kind, *account.headers()]
    if isinstance(response.body, bytes):
        account.bytes_out = len(response.body)
        account.end(Outcome.DONE)
        return Response(response.status, headers, response.body)
    return Response(response.status, headers, Followed(account, seat))


class Followed:
    """The body of a stream that another call's computation feeds."""

    def __init__(self, account: Account, seat: Seat[Computation]) -> None:
        self._account = account
        self._seat = seat

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._seat.__anext__()
        except StopAsyncIteration:
            self._account.end(Outcome.DONE)
            raise
        except SutazaiError as error:
            self._account.fail(error)
            raise
        self._account.bytes_out += len(piece)
        return piece

    async def aclose(self) -> None:
        await self._seat.aclose()
        self._account.end(Outcome.CANCELLED)
