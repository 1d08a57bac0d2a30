"""One attempt of a call at one backend."""

from __future__ import annotations

import asyncio

from sutazai.fleet.errors import BadPeer, NoModel, SutazaiError
from sutazai.gateway.calls.account import Account
from sutazai.gateway.calls.ask import Ask, parse_object
from sutazai.gateway.calls.planning import Plan
from sutazai.gateway.calls.plant import Plant
from sutazai.gateway.calls.streaming import KEPT_MAX, AnswerStream
from sutazai.gateway.calls.ways import Way
from sutazai.gateway.calls.work import Work
from sutazai.gateway.context.cut import Reading
from sutazai.gateway.dialects import CODECS, relays
from sutazai.gateway.dialects.absent import absent_api
from sutazai.gateway.dialects.codec import Codec
from sutazai.gateway.dialects.collect import Collector
from sutazai.gateway.dialects.neutral import (
    Answer,
    Call,
    Envelope,
    Form,
    Usage,
    Vectors,
    form_of,
)
from sutazai.gateway.dialects.streams import Pipe, Translation, write_json
from sutazai.gateway.failures import BackendFailed, backend_failure, failure_of
from sutazai.gateway.queue.admission import Slot
from sutazai.gateway.records.call import Outcome
from sutazai.wire import ClientResponse, Response

_JSON = ("content-type", "application/json")
_TOKENS = frozenset({Form.CHAT, Form.COMPLETION})


class Attempt:
    """Asks the backend that ``slot`` is on, and gives its answer."""

    def __init__(self, plant: Plant, account: Account, ask: Ask, plan: Plan, slot: Slot) -> None:
        self._plant = plant
        self._account = account
        self._ask = ask
        self._plan = plan
        self._slot = slot
        self._codec = ask.codec

    async def run(self) -> Response:
        """Raises what came before the answer's first byte; the slot is then the caller's."""
        account, ask = self._account, self._ask
        way, call = self._choose_way()
        account.backend, account.model = way.backend.route.name, way.model
        account.relayed = way.relayed
        if call is not None and self._translator.only_loads(ask.form, ask.value):
            return await self._loaded(way)
        work = Work(self._plant, account, self._slot, way, call)
        try:
            response = await self._ask_backend(work)
            return await (self._streamed if ask.stream else self._whole)(work, response)
        except SutazaiError as error:
            work.failed(error, keep_slot=True)
            raise
        except asyncio.CancelledError:
            work.left()
            raise

    @property
    def _translator(self) -> Codec:
        assert self._codec.dialect is not None, "only relayed"  # noqa: S101 (for the type checker)
        return CODECS[self._codec.dialect]

    # asking

    def _choose_way(self) -> tuple[Way, Call | None]:
        """The way to the slot's backend, and the call in the neutral form where it is translated.

        Looked up now and not before the queue: the backend may have other models since.
        """
        ask, slot, backends = self._ask, self._slot, self._plant.backends
        backend = backends.state(slot.backend)
        target, codec, form = self._account.target, self._codec, ask.form
        model = None if target is None else backends.model_of(target, slot.backend)
        if model is None:
            raise NoModel(f"the backend {slot.backend!r} has the model no more", hint="try again")
        # The embedded server notices that a client left only while it streams to it.
        streams = ask.stream or (backend.route.embedded and form in _TOKENS)
        find = self._plant.ways.find
        if relays(codec, form, backend.route.dialect):
            if streams and not ask.stream:
                streams = backend.codec.streamed(form, ask.value) is not None
            return find(backend, model, form, relays=codec, streams=streams), None
        call = self._translator.parse(form, ask.value)
        return find(backend, model, form_of(call), relays=None, streams=streams), call

    async def _ask_backend(self, work: Work) -> ClientResponse:
        """The backend's good response, once its head is there. Raises BackendFailed."""
        way, plant = work.way, self._plant
        for again in (True, False):
            work.asked = sent = await plant.client.send(
                "POST",
                way.backend.address,
                way.target,
                headers=self._headers(way),
                body=self._body(work),
                timeout=way.timeout,
            )
            work.asked = response = await sent.response()
            if response.status < 400:
                return response
            refused = again and response.status == 401
            if not refused or not await plant.backends.renewed(self._slot.backend):
                break
            await response.close()
        raise await self._failed(response, way)

    def _headers(self, way: Way) -> tuple[tuple[str, str], ...]:
        passed_on = self._ask.headers if way.relayed else ()
        tokens = way.backend.tokens
        if tokens is None:
            return (*way.headers, *passed_on) if passed_on else way.headers
        return (*way.headers, *passed_on, *tokens.headers)

    def _body(self, work: Work) -> bytes:
        """What the backend is sent: the client's own bytes wherever they will do."""
        way, value, codec = work.way, self._ask.value, work.way.backend.codec
        body = value if work.call is None else codec.render(work.call, way.model)
        if way.streams and not self._ask.stream:
            body = codec.streamed(way.form, body) or body
        body = way.backend.adapted(way.form, body, way.model)
        if work.call is not None:
            return write_json(body)
        if body is value and value.get("model") == way.model:
            return self._ask.raw
        return write_json({**body, "model": way.model})

    async def _failed(self, response: ClientResponse, way: Way) -> SutazaiError:
        """The error that the backend answered with."""
        retry_after = response.headers.get("retry-after")
        failure = backend_failure(response.status, await response.read(), retry_after)
        if way.relayed and (absent := absent_api(self._ask.form, failure)) is not None:
            return absent
        return BackendFailed(failure)

    # answering

    async def _loaded(self, way: Way) -> Response:
        body = self._translator.loaded_answer(self._ask.form, self._ask.value, self._envelope(way))
        self._slot.release()
        headers = [_JSON, *self._account.headers()]
        self._account.end(Outcome.DONE)
        return Response(200, headers, write_json(body))

    async def _whole(self, work: Work, response: ClientResponse) -> Response:
        read = self._gathered if work.way.streams else self._read
        data, usage = await read(work, response)
        account = self._account
        self._compare(work.way, usage)
        account.bytes_out = len(data)
        if self._plant.keeps_contents:
            account.answer = data[:KEPT_MAX]
        headers = (_JSON, *account.headers())
        work.done(usage)
        account.end(Outcome.DONE, usage)
        return Response(200, headers, data)

    async def _read(self, work: Work, response: ClientResponse) -> tuple[bytes, Usage]:
        way = work.way
        data = await response.read()
        try:
            value = parse_object(data)
        except SutazaiError as cause:
            raise BadPeer("the backend's answer is not a JSON object") from cause
        if way.relayed:
            return data, self._codec.check(way.form, value)
        answer = way.backend.codec.parse_answer(way.form, value)
        return self._rendered(work, answer), answer.usage

    async def _gathered(self, work: Work, response: ClientResponse) -> tuple[bytes, Usage]:
        """A whole answer out of a streamed one."""
        way = work.way
        collector = Collector(way.backend.codec.decoder(way.form))
        while piece := await response.next_piece():
            self._began(way, response)
            collector.feed(piece)
        answer = collector.finish()
        return self._rendered(work, answer), answer.usage

    async def _streamed(self, work: Work, response: ClientResponse) -> Response:
        way = work.way
        stream = AnswerStream(
            self._account,
            work,
            response,
            self._pipe(work),
            tell=self._frame,
            ended=lambda usage: self._compare(way, usage),
            keep=self._plant.keeps_contents,
        )
        await stream.begin()
        self._began(way, response)
        headers = (("content-type", self._codec.stream_type), *self._account.headers())
        return Response(200, headers, stream)

    def _began(self, way: Way, response: ClientResponse) -> None:
        """The first token is there; from now on the next one must not take long."""
        if self._account.first_token is None:
            self._account.first_token = self._account.age
            response.bear(way.backend.route.timeouts.between_tokens)

    def _compare(self, way: Way, usage: Usage) -> None:
        """Learns from what the backend has read, and notes where that was not all."""
        prompt, target = self._plan.prompt, self._account.target
        if prompt is None or target is None:
            return
        loaded = target.context(way.backend.route.name)
        reading = self._plant.contexts.heard(prompt, way.model, usage.prompt_tokens, loaded)
        if reading is Reading.CUT:
            self._account.context = self._account.context or reading.value

    def _rendered(self, work: Work, answer: Answer | Vectors) -> bytes:
        way = work.way
        value = self._translator.render_answer(
            self._ask.form, answer, self._envelope(way), self._account.age, work.call
        )
        return write_json(value)

    def _pipe(self, work: Work) -> Pipe:
        way = work.way
        if work.call is None:
            return self._codec.relay(way.form)
        encoder = self._translator.encoder(self._ask.form, self._envelope(way), work.call)
        return Translation(way.backend.codec.decoder(way.form), encoder)

    def _envelope(self, way: Way) -> Envelope:
        return Envelope(self._account.id, way.model, self._account.at)

    def _frame(self, error: SutazaiError) -> bytes:
        relayed = self._account.relayed
        return self._codec.failure_frame(self._ask.form, failure_of(error), same_dialect=relayed)
