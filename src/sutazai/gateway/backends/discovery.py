"""Asks one LLM server now and then what models it has, and thereby whether it is there."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import ConnectFailed, SutazaiError, Unavailable
from sutazai.fleet.routes import BackendRoute
from sutazai.fleet.units import format_size
from sutazai.gateway.backends.entra import EntraTokens
from sutazai.gateway.backends.inquiry import inquiry_of
from sutazai.gateway.backends.state import BackendState
from sutazai.gateway.backends.told import Loaded
from sutazai.gateway.dialects.neutral import Model
from sutazai.gateway.failures import backend_failure
from sutazai.wire import Client, ClientResponse, Timeout

__all__ = ["BackendState", "Watch"]

log = logging.getLogger("sutazai.gateway")

INTERVAL, FAR_INTERVAL = 15.0, 60.0
"""Seconds between two looks at a backend that is available; at one behind TLS, somebody else's."""

FIRST_RETRY, LAST_RETRY = 0.25, 3.0
"""Seconds between looks at one that is not, growing from the first to the last."""

LOADED_EVERY = 1.0
"""Seconds between two questions what is loaded, at least."""

NO_MODEL = "it has no model: pull a model, e.g. `ollama pull llama3.2`"

_TIMEOUT = Timeout(connect=2.0, headers=5.0, idle=5.0)
_REFUSING = (401, 403)
_LISTLESS = (404, 405, 501)
_LATEST = ":latest"


class Watch:
    """Keeps the state of one backend up to date, in a task of its own.

    Args:
        changed: called whenever `state` is another.
        before: what was known of it when it was declared a little differently.
        clock: seconds, monotonic.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        client: Client,
        route: BackendRoute,
        changed: Callable[[], None],
        *,
        before: BackendState | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.state = _first_state(client, route, before, wall)
        self.answered: dict[str, float] = {}
        """When each model last answered a call."""
        self.since = clock()
        """Since when it is available, where it is."""
        self._client = client
        self._changed = changed
        self._clock = clock
        self._inquiry = inquiry_of(route, self._ask, ollama=route.dialect is Dialect.OLLAMA)
        self._listed = self.state.models or ()
        self._last_answer = self._saw_loaded = float("-inf")
        self._retry = FIRST_RETRY
        self._nudge = asyncio.Event()
        self._loaded_only = True  # what the nudge is about
        self._round: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name=f"discovery-{route.name}")

    # what others tell it

    def answer(self, model: str) -> bool:
        """``model`` has answered a call: the backend is there, whatever its list says. Whether it
        was loaded before, as far as is known."""
        self._last_answer = self.answered[model] = self._clock()
        state = self.state
        if state.loaded is None or state.is_resident(model):  # most do not tell what they loaded
            return True
        self.see_loaded()
        return False

    def answer_check(self) -> None:
        """It has answered a check of ours."""
        self._last_answer = self._clock()

    def failed(self, reason: str) -> None:
        """A call could not reach it: it is out until a look at it succeeds."""
        self._retry = FIRST_RETRY
        self._last_answer = float("-inf")
        self._set(replace(self.state, available=False, reason=reason))
        self.look_soon()

    def look_soon(self) -> None:
        """What is known of it may be wrong by now."""
        self._loaded_only = False
        self._nudge.set()

    def see_loaded(self) -> None:
        """What it has loaded may be another by now."""
        if self.state.available and self._clock() - self._saw_loaded >= LOADED_EVERY:
            self._nudge.set()

    async def look(self) -> None:
        """Until it was looked at once more."""
        self.look_soon()
        await asyncio.shield(self._round)

    async def renew(self) -> bool:
        """It refused our token: whether there is a new one, to try once more with."""
        return self.state.tokens is not None and await self.state.tokens.renew()

    async def close(self) -> None:
        self._task.cancel()
        self._round.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    # looking

    async def _run(self) -> None:
        while True:
            self._nudge.clear()
            self._loaded_only = True
            await self._look()
            self._round.set_result(None)
            self._round = asyncio.get_running_loop().create_future()
            if self.state.available:
                await self._learn()
            await self._rest()

    async def _rest(self) -> None:
        """Until the next look is due, or wanted before."""
        pause = self._interval if self._is_well else self._retry
        self._retry = FIRST_RETRY if self._is_well else min(2 * pause, LAST_RETRY)
        try:
            async with asyncio.timeout(pause):
                while await self._nudge.wait() and self._loaded_only:
                    self._nudge.clear()
                    await self._see_loaded()
                # Whoever nudges because a call failed gives the backend a moment to come back.
                if not self.state.available:
                    await asyncio.sleep(FIRST_RETRY)
        except TimeoutError:
            pass

    @property
    def _is_well(self) -> bool:
        return self.state.available and not self.state.reason

    @property
    def _interval(self) -> float:
        return FAR_INTERVAL if self.state.address.scheme == "https" else INTERVAL

    async def _look(self) -> None:
        if self.state.reach.fault:
            return
        try:
            if self.state.tokens is not None:
                await self.state.tokens.ensure()
            self._listed = await self._list()
        except SutazaiError as error:
            self._not_listed(error)
            return
        if not self.state.available:
            self._inquiry.forget()
        await self._glance()
        self._show(available=True, reason="" if self._listed or not self._is_ollama else NO_MODEL)

    def _not_listed(self, error: SutazaiError) -> None:
        """A server that is busy may be slow with its list, while it answers calls well."""
        answers = self._clock() - self._last_answer < self._interval
        if isinstance(error, ConnectFailed) or not answers or not self.state.available:
            said = error.message
            if isinstance(error, ConnectFailed) and self._is_ollama:
                said += "; is `ollama serve` running there?"
            self._set(replace(self.state, available=False, reason=said))

    async def _list(self) -> tuple[Model, ...]:
        state, reach = self.state, self.state.reach
        response = await self._client.request(
            "GET", reach.list_address, reach.list_target, headers=state.headers, timeout=_TIMEOUT
        )
        async with response:
            if response.status != 200:
                return await self._without_list(response)
            listed = await response.json()
        if reach.names is not None:
            return tuple(map(Model, reach.names))
        return state.codec.parse_models(listed)

    async def _without_list(self, response: ClientResponse) -> tuple[Model, ...]:
        if response.status in _LISTLESS:
            return tuple(map(Model, self.state.reach.names or ()))
        if response.status in _REFUSING:
            if self.state.tokens is not None:
                await self.state.tokens.renew()
            raise Unavailable("it refuses the API key or token")
        message = backend_failure(response.status, await response.read()).message
        raise Unavailable(f"it answers {response.status}: {message}")

    # what it tells beside its list

    async def _learn(self) -> None:
        try:
            await self._inquiry.learn(self._listed)
        except SutazaiError as error:  # the next look tells more
            log.debug("backend %s does not tell all: %s", self.state.route.name, error.message)
        self._show(available=self.state.available, reason=self.state.reason)

    async def _see_loaded(self) -> None:
        await self._glance()
        self._show(available=self.state.available, reason=self.state.reason)

    async def _glance(self) -> None:
        self._saw_loaded = self._clock()
        try:
            await self._inquiry.glance(self._listed)
        except SutazaiError as error:  # what was seen before holds
            log.debug("backend %s tells not: %s", self.state.route.name, error.message)

    async def _ask(self, method: str, path: str, value: Any) -> Any:
        """See `inquiry.Ask`."""
        state = self.state
        return await self._client.call(
            method, state.reach.root, path, value, headers=state.headers, timeout=_TIMEOUT
        )

    @property
    def _is_ollama(self) -> bool:
        return self.state.route.dialect is Dialect.OLLAMA

    def _show(self, *, available: bool, reason: str) -> None:
        inquiry, route = self._inquiry, self.state.route
        self._set(
            replace(
                self.state,
                available=available,
                reason=reason,
                models=inquiry.described(self._listed),
                finding=_split(inquiry.loaded or ()),
                loaded=self._loaded(),
                capacity=route.loaded_models or inquiry.most_loaded,
                told_slots=inquiry.slots,
            )
        )

    def _loaded(self) -> Mapping[str, int] | None:
        """What is loaded, by the names that the list has."""
        told = self._inquiry.loaded
        if told is None:
            return None
        names = {model.name for model in self._listed}
        return {_listed_name(each.name, names): each.context for each in told}

    def _set(self, state: BackendState) -> None:
        if state == self.state:
            return
        if (state.available, state.reason) != (self.state.available, self.state.reason):
            how = "is available" if state.available else "is not available"
            log.info("backend %s %s", state.route.name, f"{how}: {state.reason}".rstrip(": "))
        if state.available and not self.state.available:
            self.since = self._clock()
        self.state = state
        self._changed()


def _first_state(
    client: Client,
    route: BackendRoute,
    before: BackendState | None,
    wall: Callable[[], float],
) -> BackendState:
    """What is known of it before it was looked at: nothing, unless the same server was known."""
    if before is not None and _place(before.route) == _place(route):
        return replace(before, route=route)
    tokens = EntraTokens(client, route.entra, wall) if route.entra is not None else None
    state = BackendState(route, tokens=tokens, capacity=route.loaded_models or 1)
    return replace(state, reason=state.reach.fault) if state.reach.fault else state


def _place(route: BackendRoute) -> tuple[object, ...]:
    """What makes it another server when it changes."""
    return (
        route.address, route.dialect, route.api_key, route.api_version, route.entra, route.ca,
    )  # fmt: skip


def _listed_name(name: str, names: Iterable[str]) -> str:
    bare = name.removesuffix(_LATEST)
    return next((each for each in (name, bare, bare + _LATEST) if each in names), name)


def _split(loaded: Iterable[Loaded]) -> str:
    """The models that did not fit into the GPU, and are many times slower for it."""
    return "; ".join(
        f"{one.name} runs on the CPU in part: {format_size(one.on_gpu)} of {format_size(one.size)} "
        "fit into GPU memory"
        for one in loaded
        if one.is_split
    )
