"""One attempt of a call at one backend."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import msgspec

from sutazai.fleet.errors import SutazaiError
from sutazai.gateway.backends.catalogue import Target
from sutazai.gateway.calls.account import Account
from sutazai.gateway.calls.ask import Ask
from sutazai.gateway.calls.planning import Plan
from sutazai.gateway.calls.plant import Plant
from sutazai.gateway.calls.streaming import KEPT_MAX, AnswerStream, Keeping
from sutazai.gateway.calls.ways import Way
from sutazai.gateway.calls.work import Work
from sutazai.gateway.context.cut import Reading
from sutazai.gateway.context.prompts import Prompt
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.absent import absent_api
from sutazai.gateway.dialects.codec import Codec
from sutazai.gateway.dialects.collect import Collector
from sutazai.gateway.dialects.neutral import (
    Answer,
    Envelope,
    Usage,
    Vectors,
    form_of,
)
from sutazai.gateway.dialects.reading import read_answer
from sutazai.gateway.dialects.streams import Pipe, Translation, write_json
from sutazai.gateway.failures import BackendFailed, backend_failure, failure_of
from sutazai.gateway.queue.admission import Slot
from sutazai.gateway.records.call import Outcome
from sutazai.wire import ClientResponse, Response, Sent

_JSON = ("content-type", "application/json")
_REPEATABLE: Final = True  # llama.cpp closes a connection after each stream, and says not so
_DONE: Final = Outcome.DONE  # a member of an enum is found slowly


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """Asks the backend that ``_slot`` is on, and gives its answer."""

    _plant: Plant
    _account: Account
    _ask: Ask
    _plan: Plan
    _target: Target
    _slot: Slot

    async def run(self) -> Response:
        """Raises what came before the answer's first byte; the slot is then the caller's."""
        account, ask = self._account, self._ask
        # Found now and not before the queue: the backend may have other models since.
        way = self._plant.ways.find(self._target, self._slot.backend, ask)
        account.backend, account.model = way.name, way.model
        account.relayed = way.relayed
        call = None if way.relayed else self._translator.parse(ask.form, ask.value)
        if call is not None and self._translator.only_loads(ask.form, ask.value):
            return await self._loaded(way)
        form = ask.form if call is None else form_of(call)
        work = Work(self._plant, account, self._slot, way, call, form)
        try:
            response = await self._ask_backend(work).response()
            if response.status >= 400:
                response = await self._renewed(work, response)
            if ask.stream:
                return await self._streamed(work, response)
            if work.gathered:
                return await self._gathered(work, response)
            data = response.at_hand()
            if data is None:
                data = await response.read()
            work.sent = None  # it is whole, so there is nothing to give up
            answer, usage = self._read(work, data)
            return self._whole(work, answer, usage)
        except SutazaiError as error:
            work.failed(error, keep_slot=True)
            raise
        except asyncio.CancelledError:
            work.left()
            raise

    @property
    def _translator(self) -> Codec:
        dialect = self._ask.codec.dialect
        assert dialect is not None, "only relayed"  # noqa: S101 (for the type checker)
        return CODECS[dialect]

    # asking

    def _ask_backend(self, work: Work) -> Sent:
        way, ask = work.way, self._ask
        body, streams = self._body(work)
        work.gathered = streams and not ask.stream
        work.sent = sent = self._plant.client.send(
            "POST",
            way.address,
            way.targets[work.form],
            self._headers(way),
            body,
            way.streamed if streams else way.whole,
            _REPEATABLE,
        )
        return sent

    async def _renewed(self, work: Work, response: ClientResponse) -> ClientResponse:
        """A good response after ``response``, which is none: where a token was renewed meanwhile.

        Raises BackendFailed.
        """
        way = work.way
        if response.status == 401 and await self._plant.backends.renewed(way.name):
            await response.close()
            response = await self._ask_backend(work).response()
        if response.status >= 400:
            raise await self._failed(response, way)
        return response

    def _headers(self, way: Way) -> tuple[tuple[str, str], ...]:
        passed_on = self._ask.headers if way.relayed else ()
        tokens = way.backend.tokens
        if tokens is None:
            return (*way.headers, *passed_on) if passed_on else way.headers
        return (*way.headers, *passed_on, *tokens.headers)

    def _body(self, work: Work) -> tuple[bytes, bool]:
        """What the backend is sent, the client's own bytes wherever they will do; and whether it
        is asked for a stream."""
        way, ask, streams = work.way, self._ask, self._ask.stream
        value = ask.value
        gathers = way.gathers and not streams
        if way.verbatim and not gathers and value.get("model") == way.model:
            return ask.raw, streams
        form = work.form
        body = value if work.call is None else way.codec.render(work.call, way.model)
        if gathers and (told := way.codec.streamed(form, body)) is not None:
            body, streams = told, True
        if not way.verbatim:
            body = way.backend.adapted(form, body, way.model)
        if work.call is not None:
            return write_json(body), streams
        if body is value and value.get("model") == way.model:
            return ask.raw, streams
        return write_json({**body, "model": way.model}), streams

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

    def _whole(self, work: Work, data: bytes, usage: Usage) -> Response:
        account = self._account
        if (prompt := self._plan.prompt) is not None:
            self._compare(prompt, work.way, usage)
        account.bytes_out = len(data)
        if self._plant.keeps_contents:
            account.answer = data[:KEPT_MAX]
        headers = (_JSON, *account.headers())
        work.done(usage)
        account.end(_DONE, usage)
        return Response(200, headers, data)

    def _read(self, work: Work, data: bytes) -> tuple[bytes, Usage]:
        way = work.way
        if way.relayed:
            return data, self._ask.codec.check(work.form, data)
        answer = way.codec.parse_answer(work.form, read_answer(data))
        return self._rendered(work, answer), answer.usage

    async def _gathered(self, work: Work, response: ClientResponse) -> Response:
        """A whole answer out of a streamed one."""
        way = work.way
        collector = Collector(way.codec.decoder(work.form))
        while piece := await response.next_piece():
            self._began(way, response)
            collector.feed(piece)
        answer = collector.finish()
        return self._whole(work, self._rendered(work, answer), answer.usage)

    async def _streamed(self, work: Work, response: ClientResponse) -> Response:
        way, prompt, pipe = work.way, self._plan.prompt, self._pipe(work)
        stream = AnswerStream(
            self._account,
            work,
            response,
            Keeping(pipe) if self._plant.keeps_contents else pipe,
            tell=self._frame,
            ended=None if prompt is None else partial(self._compare, prompt, way),
        )
        await stream.begin()
        self._began(way, response)
        headers = (("content-type", self._ask.codec.stream_type), *self._account.headers())
        return Response(200, headers, stream)

    def _began(self, way: Way, response: ClientResponse) -> None:
        """The first token is there; from now on the next one must not take long."""
        if self._account.first_token is None:
            self._account.first_token = self._account.age
            response.bear(way.backend.route.timeouts.between_tokens)

    def _compare(self, prompt: Prompt, way: Way, usage: Usage) -> None:
        """Learns from what the backend has read, and notes where that was not all."""
        loaded = self._target.context(way.name)
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
            return self._ask.codec.relay(work.form)
        encoder = self._translator.encoder(self._ask.form, self._envelope(way), work.call)
        return Translation(way.codec.decoder(work.form), encoder)

    def _envelope(self, way: Way) -> Envelope:
        return Envelope(self._account.id, way.model, self._account.at)

    def _frame(self, error: SutazaiError) -> bytes:
        ask, relayed = self._ask, self._account.relayed
        return ask.codec.failure_frame(ask.form, failure_of(error), same_dialect=relayed)
