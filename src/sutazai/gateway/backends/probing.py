"""Has a backend generate one token: what it lists proves nothing.

A probe goes past the queue and takes no slot: it is one token, and what is taken for broken gets no
calls that it could be in the way of. It may take what a call may take. There is one at a time for
each model, and none that loads a model beside another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import SutazaiError, drop_traces
from sutazai.gateway.backends.catalogue import only_embeds
from sutazai.gateway.backends.faults import fault_of
from sutazai.gateway.backends.state import BackendState
from sutazai.gateway.dialects.neutral import Chat, Embedding, Form, Message, Sampling
from sutazai.gateway.dialects.streams import write_json
from sutazai.gateway.failures import BackendFailed, backend_failure
from sutazai.wire import Client, Timeout

_HI = Chat((Message("user", "Hi"),), stream=False, sampling=Sampling(max_tokens=1))
_JSON = ("content-type", "application/json")


async def generate(client: Client, state: BackendState, model: str) -> None:
    """Returns where ``model`` generates, or refuses the question for what it is (a model that wants
    it put in other words is well). Raises the SutazaiError that is the backend's fault."""
    try:
        await _ask(client, state, model)
    except SutazaiError as error:
        if fault_of(error) is not None:
            raise


async def _ask(client: Client, state: BackendState, model: str) -> None:
    form = Form.EMBEDDING if only_embeds(model) else Form.CHAT
    call = Embedding(("Hi",)) if form is Form.EMBEDDING else _HI
    body = _as_loaded(state.pinned(state.codec.render(call, model), model), state, model)
    response = await client.request(
        "POST",
        state.address,
        state.target(state.codec.target(form)),
        headers=[_JSON, *state.headers],
        body=write_json(body),
        timeout=_timeout(state, model),
        repeatable=True,  # as calls are
    )
    async with response:
        data = await response.read()
        if response.status >= 400:
            raise BackendFailed(backend_failure(response.status, data))
    state.codec.check(form, data)


def _as_loaded(body: Mapping[str, Any], state: BackendState, model: str) -> Mapping[str, Any]:
    """``body`` so that Ollama does not load the model anew for it."""
    context = (state.loaded or {}).get(model)
    if state.route.dialect is not Dialect.OLLAMA or not context:
        return body
    return {**body, "options": {"num_ctx": context, **body.get("options", {})}}


def _timeout(state: BackendState, model: str) -> Timeout:
    bounds = state.route.timeouts
    loading = 0.0 if state.is_resident(model) else bounds.load
    seconds = bounds.first_token + loading
    return Timeout(bounds.connect, seconds, seconds)


class Prober:
    """Runs probes, one at a time for each model of each backend."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    def is_busy(self, backend: str) -> bool:
        return any(name == backend for name, _ in self._tasks)

    def start(
        self, state: BackendState, model: str, told: Callable[[SutazaiError | None], None]
    ) -> None:
        """Probes ``model``, which no other probe may be doing, and tells what is wrong, None where
        nothing is. A probe that is stopped tells nothing."""
        key = state.route.name, model
        task = asyncio.create_task(self._run(state, model, told), name="probe-{}-{}".format(*key))
        self._tasks[key] = task

    async def stop(self, backend: str) -> None:
        """The backend is not what it was."""
        keys = [key for key in self._tasks if key[0] == backend]
        tasks = [self._tasks.pop(key) for key in keys]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        for backend in {name for name, _ in self._tasks}:
            await self.stop(backend)

    async def _run(
        self, state: BackendState, model: str, told: Callable[[SutazaiError | None], None]
    ) -> None:
        fault: SutazaiError | None = None
        try:
            await generate(self._client, state, model)
        except SutazaiError as error:
            drop_traces(error)
            fault = error
        self._tasks.pop((state.route.name, model), None)
        told(fault)
