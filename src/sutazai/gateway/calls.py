"""One LLM call, from its request to the end of its answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sutazai.fleet.errors import (
    BadInput,
    BadPeer,
    ConnectFailed,
    NoModel,
    PeerClosed,
    QueueFull,
    Refused,
    SutazaiError,
)
from sutazai.fleet.spec import Dialect
from sutazai.gateway.admission import Admission, Slot, WaitedTooLong
from sutazai.gateway.answering import AnswerStream
from sutazai.gateway.backends import Backends
from sutazai.gateway.catalogue import Target, key_of
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.neutral import Call, Envelope, Form, JsonObject, Usage, form_of
from sutazai.gateway.dialects.streams import Pipe, Translation, write_json
from sutazai.gateway.discovery import BackendState
from sutazai.gateway.failures import BackendFailed, UnknownModel, backend_failure, failure_of
from sutazai.gateway.keys import Caller
from sutazai.gateway.stats import Counters, Outcome
from sutazai.wire import Client, ClientResponse, Request, Response, Timeout

TIMEOUT = Timeout(connect=5.0, headers=600.0, idle=300.0)
"""A whole answer comes with its headers, and a long prompt on a CPU takes minutes."""

_JSON = ("content-type", "application/json")
_REJECTED = (QueueFull, NoModel, UnknownModel, BadInput, Refused)


@dataclass(frozen=True)
class Plant:
    """What every call needs. ``clock`` is monotonic, ``wall`` the time since 1970, in seconds."""

    client: Client
    backends: Backends
    admission: Admission
    counters: Counters
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Ask:
    """A client's request: its bytes as they came, what they say, and whether it wants a stream."""

    raw: bytes
    value: JsonObject
    stream: bool

    @property
    def model(self) -> str | None:
        """The model's name. Raises BadInput."""
        name = self.value.get("model")
        if name is not None and not isinstance(name, str):
            raise BadInput("model must be a text")
        return name


@dataclass(frozen=True, slots=True)
class Way:
    """Where a call goes and in what words; ``call`` is None where its bytes are relayed."""

    id: str
    backend: BackendState
    model: str
    form: Form
    call: Call | None


class LlmCall:
    """One call of a client that speaks ``dialect``."""

    def __init__(self, plant: Plant, dialect: Dialect, form: Form) -> None:
        self._plant = plant
        self._dialect = dialect
        self._form = form
        self._codec = CODECS[dialect]
        self._begun = plant.clock()
        self._target: Target | None = None
        self._slot: Slot | None = None
        self._way: Way | None = None

    async def serve(self, request: Request, identify: Callable[[Request], Caller]) -> Response:
        """The answer, or the error in the client's own dialect."""
        try:
            caller = identify(request)
            return await self._answer(await self._read(request), caller)
        except SutazaiError as error:
            self._count(_outcome_of(error), Usage())
            return self._refusal(error)
        except asyncio.CancelledError:
            self._count(Outcome.CANCELLED, Usage())
            raise

    async def _read(self, request: Request) -> Ask:
        raw = await request.read()
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as cause:
            raise BadInput(f"the body is not JSON: {cause}") from cause
        if not isinstance(value, dict):
            raise BadInput("the body must be a JSON object")
        return Ask(raw, value, self._codec.wants_stream(self._form, value))

    async def _answer(self, ask: Ask, caller: Caller) -> Response:
        plant = self._plant
        self._target = await plant.backends.resolve(ask.model)
        async with AsyncExitStack() as held:
            slot = self._slot = await plant.admission.acquire(caller, key_of(self._target))
            held.callback(slot.release)
            way = self._way = self._choose_way(ask, slot)
            if way.call is not None and self._codec.only_loads(self._form, ask.value):
                return self._loaded(ask, way)
            way, response = await self._ask(ask, way, slot)
            held.push_async_callback(response.close)
            if response.status >= 400:
                raise await _failed(response)
            if ask.stream:
                return await self._streamed(way, response, held)
            return await self._whole(way, response)

    # asking

    def _choose_way(self, ask: Ask, slot: Slot) -> Way:
        backends = self._plant.backends
        backend = backends.state(slot.backend)
        # Looked up now and not before the queue: the backend may have other models since.
        model = backends.catalogue.resolve(ask.model).models.get(slot.backend)
        if model is None:
            raise NoModel(f"the backend {slot.backend!r} has the model no more", hint="try again")
        if backend.route.dialect is self._dialect:
            return Way(slot.id, backend, model, self._form, None)
        call = self._codec.parse(self._form, ask.value)
        return Way(slot.id, backend, model, form_of(call), call)

    async def _ask(self, ask: Ask, way: Way, slot: Slot) -> tuple[Way, ClientResponse]:
        """The backend's response; another backend is tried once where the first gave nothing."""
        try:
            return way, await self._send(ask, way)
        except (ConnectFailed, PeerClosed) as error:
            self._plant.backends.failed(slot.backend, error.message)
        await slot.again()
        way = self._way = self._choose_way(ask, slot)
        try:
            return way, await self._send(ask, way)
        except (ConnectFailed, PeerClosed) as error:
            self._plant.backends.failed(slot.backend, error.message)
            raise

    async def _send(self, ask: Ask, way: Way) -> ClientResponse:
        backend = way.backend
        return await self._plant.client.request(
            "POST",
            backend.address,
            backend.target(backend.codec.target(way.form)),
            headers=[_JSON, *backend.headers],
            body=_body(ask, way),
            timeout=TIMEOUT,
        )

    # answering

    def _loaded(self, ask: Ask, way: Way) -> Response:
        self._count(Outcome.DONE, Usage())
        body = self._codec.loaded_answer(self._form, ask.value, self._envelope(way))
        return Response(200, [_JSON, *self._headers()], write_json(body))

    async def _whole(self, way: Way, response: ClientResponse) -> Response:
        data = await response.read()
        value = _decoded(data)
        if way.call is None:
            usage = way.backend.codec.check(way.form, value)
        else:
            answer = way.backend.codec.parse_answer(way.form, value)
            usage = answer.usage
            data = write_json(
                self._codec.render_answer(self._form, answer, self._envelope(way), self._age())
            )
        self._count(Outcome.DONE, usage)
        return Response(200, [_JSON, *self._headers()], data)

    async def _streamed(self, way: Way, response: ClientResponse, held: AsyncExitStack) -> Response:
        stream = AnswerStream(
            response, self._pipe(way), age=self._age, tell=self._frame, ended=self._count
        )
        await stream.begin()
        stream.hold(held.pop_all())
        return Response(200, [("content-type", self._codec.stream_type), *self._headers()], stream)

    def _pipe(self, way: Way) -> Pipe:
        if way.call is None:
            return way.backend.codec.relay()
        encoder = self._codec.encoder(self._form, self._envelope(way), way.call)
        return Translation(way.backend.codec.decoder(way.form), encoder)

    def _envelope(self, way: Way) -> Envelope:
        return Envelope(way.id, way.model, self._plant.wall() - self._age())

    def _age(self) -> float:
        return self._plant.clock() - self._begun

    # telling

    def _refusal(self, error: SutazaiError) -> Response:
        failure = failure_of(error)
        body = self._codec.failure_body(failure, same_dialect=self._same_dialect)
        retry = failure.retry_after
        if retry is None and failure.status in (429, 503):
            retry = self._plant.admission.retry_after()
        wait = [] if retry is None else [("retry-after", str(retry))]
        return Response(failure.status, [_JSON, *wait, *self._headers()], write_json(body))

    def _frame(self, error: SutazaiError) -> bytes:
        return self._codec.failure_frame(failure_of(error), same_dialect=self._same_dialect)

    @property
    def _same_dialect(self) -> bool:
        return self._way is not None and self._way.call is None

    def _headers(self) -> list[tuple[str, str]]:
        """What is known of the call's way, whatever came of it."""
        waited = self._age() if self._slot is None else self._slot.waited
        headers = [("x-sutazai-queue-ms", str(round(waited * 1000)))]
        if self._way is not None:
            headers.append(("x-sutazai-backend", self._way.backend.route.name))
        if self._target is not None and self._target.tier is not None:
            headers.append(("x-sutazai-tier", self._target.tier))
        return headers

    def _count(self, outcome: Outcome, usage: Usage) -> None:
        self._plant.counters.count(outcome, usage.prompt_tokens, usage.completion_tokens)


def _body(ask: Ask, way: Way) -> bytes:
    """What the backend is sent: the client's own bytes wherever they will do."""
    if way.call is not None:
        return write_json(way.backend.codec.render(way.call, way.model))
    return ask.raw if ask.model == way.model else write_json({**ask.value, "model": way.model})


async def _failed(response: ClientResponse) -> BackendFailed:
    """The error that the backend answered with."""
    retry_after = response.headers.get("retry-after")
    return BackendFailed(backend_failure(response.status, await response.read(), retry_after))


def _decoded(data: bytes) -> JsonObject:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as cause:
        raise BadPeer("the backend's answer is not JSON") from cause
    if not isinstance(value, dict):
        raise BadPeer("the backend's answer is not a JSON object")
    return value


def _outcome_of(error: SutazaiError) -> Outcome:
    if isinstance(error, WaitedTooLong):
        return Outcome.EXPIRED
    return Outcome.REJECTED if isinstance(error, _REJECTED) else Outcome.FAILED
