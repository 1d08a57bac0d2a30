"""The endpoints that tell what models there are, in both dialects. None of them queues."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadInput, SutazaiError
from sutazai.gateway.backends.discovery import BackendState
from sutazai.gateway.backends.registry import Backends
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.neutral import Model
from sutazai.gateway.dialects.ollama import models as ollama_models
from sutazai.gateway.dialects.openai import models as openai_models
from sutazai.gateway.dialects.streams import write_json
from sutazai.gateway.failures import failure_of
from sutazai.wire import Client, Handler, Request, Response, Timeout

OLLAMA_LEVEL = "0.12.0"
"""The version of Ollama whose API the gateway speaks to clients."""

LOADED_FOR = 300.0
"""Seconds for which models of backends that never unload are said to stay."""

_TIMEOUT = Timeout(connect=2.0, headers=5.0, idle=5.0)
_JSON = ("content-type", "application/json")

Answerer = Callable[[Request], Any]


class Listing:
    """Tells of models, after asking who wants to know."""

    def __init__(
        self, client: Client, backends: Backends, identify: Callable[[Request], Caller]
    ) -> None:
        self._client = client
        self._backends = backends
        self._identify = identify

    def guarded(self, dialect: Dialect, answerer: Answerer) -> Handler:
        """A handler that gives what ``answerer`` gives, as JSON, and errors in ``dialect``."""
        codec = CODECS[dialect]

        async def handler(request: Request) -> Response:
            try:
                self._identify(request)
                return Response(200, [_JSON], write_json(await answerer(request)))
            except SutazaiError as error:
                failure = failure_of(error)
                body = codec.failure_body(failure, same_dialect=False)
                return Response(failure.status, [_JSON], write_json(body))

        return handler

    async def openai_list(self, request: Request) -> Any:
        return CODECS[Dialect.OPENAI].render_models(self._backends.catalogue.descriptions)

    async def openai_model(self, request: Request) -> Any:
        await self._backends.resolve(request.params["id"])
        return openai_models.model_body(self._describe(request.params["id"]))

    async def ollama_tags(self, request: Request) -> Any:
        return CODECS[Dialect.OLLAMA].render_models(self._backends.catalogue.descriptions)

    async def ollama_version(self, request: Request) -> Any:
        return {"version": OLLAMA_LEVEL}

    async def ollama_show(self, request: Request) -> Any:
        """What an Ollama backend says of its model, or what is known of another's."""
        body = await _json_object(request)
        asked = body.get("model") or body.get("name")
        if not isinstance(asked, str):
            raise BadInput("model must be a text")
        target = await self._backends.resolve(asked)
        for state in self._ollamas():
            model = target.models.get(state.route.name)
            if model is not None:
                return await self._ask(state, "POST", "/api/show", {**body, "model": model})
        return ollama_models.render_show(self._describe(asked))

    async def ollama_ps(self, request: Request) -> Any:
        """What Ollama backends have loaded, and what the others serve as long as they run."""
        lists = await asyncio.gather(*(self._loaded(state) for state in self._ollamas()))
        others = [
            model
            for state in self._backends.states
            if state.available and state.route.dialect is not Dialect.OLLAMA
            for model in state.models or ()
        ]
        resident = ollama_models.render_running(others, time.time() + LOADED_FOR)
        return {"models": [*(entry for listed in lists for entry in listed), *resident["models"]]}

    def _describe(self, asked: str) -> Model:
        return self._backends.catalogue.describe(asked)

    def _ollamas(self) -> list[BackendState]:
        return [
            state
            for state in self._backends.states
            if state.available and state.route.dialect is Dialect.OLLAMA
        ]

    async def _loaded(self, state: BackendState) -> list[Any]:
        try:
            value = await self._ask(state, "GET", "/api/ps", None)
        except SutazaiError:
            return []  # one backend's trouble does not hide what the others have
        models = value.get("models") if isinstance(value, dict) else None
        return models if isinstance(models, list) else []

    async def _ask(self, state: BackendState, method: str, path: str, value: Any) -> Any:
        return await self._client.call(
            method,
            state.address,
            state.target(path),
            value,
            headers=state.headers,
            timeout=_TIMEOUT,
        )


async def ollama_root(request: Request) -> Response:
    """What Ollama says to whoever asks whether it is there."""
    return Response(200, [("content-type", "text/plain; charset=utf-8")], b"Ollama is running")


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.read())
    except (ValueError, RecursionError) as cause:
        raise BadInput(f"the body is not JSON: {cause}") from cause
    if not isinstance(value, dict):
        raise BadInput("the body must be a JSON object")
    return value
