"""Asks one LLM server now and then what models it has, and thereby whether it is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from sutazai.fleet.errors import SutazaiError, Unavailable
from sutazai.fleet.routes import BackendRoute
from sutazai.gateway.dialects import CODECS, Codec
from sutazai.gateway.dialects.neutral import Model
from sutazai.gateway.failures import backend_failure
from sutazai.wire import Address, Client, ClientResponse, Timeout

log = logging.getLogger("sutazai.gateway")

INTERVAL = 15.0
"""Seconds between two looks at a backend that is available."""

FIRST_RETRY, LAST_RETRY = 0.25, 3.0
"""Seconds between looks at one that is not, growing from the first to the last."""

_TIMEOUT = Timeout(connect=2.0, headers=5.0, idle=5.0)
_REFUSING = (401, 403)
_LISTLESS = (404, 405, 501)


@dataclass(frozen=True)
class BackendState:
    """One backend as it is known now; ``models`` is None until it was first reached."""

    route: BackendRoute
    available: bool = False
    reason: str = "not reached yet"
    models: tuple[Model, ...] | None = None

    @property
    def codec(self) -> Codec:
        return CODECS[self.route.dialect]

    @property
    def address(self) -> Address:
        return Address.parse(self.route.address)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What every request to it carries."""
        key = self.route.api_key
        return [("authorization", f"Bearer {key}")] if key else []

    def target(self, path: str) -> str:
        """``path`` of the dialect at this backend. A base URL as OpenAI clients are given it
        (`https://host/v1`, `https://host/inference`) stands for the `/v1` of a bare address."""
        return path.removeprefix("/v1") if self.address.base else path


class Watch:
    """Keeps the state of one backend up to date, in a task of its own.

    Args:
        changed: called whenever `state` is another.
    """

    def __init__(self, client: Client, route: BackendRoute, changed: Callable[[], None]) -> None:
        self.state = BackendState(route)
        self._client = client
        self._changed = changed
        self._retry = FIRST_RETRY
        self._nudge = asyncio.Event()
        self._round: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name=f"discovery-{route.name}")

    def failed(self, reason: str) -> None:
        """A call could not reach it: it is out until a look at it succeeds."""
        self._retry = FIRST_RETRY
        self._set(replace(self.state, available=False, reason=reason))
        self._nudge.set()

    async def look(self) -> None:
        """Until it was looked at once more."""
        self._nudge.set()
        await asyncio.shield(self._round)

    async def close(self) -> None:
        self._task.cancel()
        self._round.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._nudge.clear()
            await self._look()
            self._round.set_result(None)
            self._round = asyncio.get_running_loop().create_future()
            await self._rest()

    async def _rest(self) -> None:
        pause = INTERVAL if self.state.available else self._retry
        self._retry = FIRST_RETRY if self.state.available else min(2 * pause, LAST_RETRY)
        try:
            async with asyncio.timeout(pause):
                await self._nudge.wait()
                # Whoever nudges because a call failed gives the backend a moment to come back.
                if not self.state.available:
                    await asyncio.sleep(FIRST_RETRY)
        except TimeoutError:
            pass

    async def _look(self) -> None:
        try:
            models = await self._list()
        except SutazaiError as error:
            self._set(replace(self.state, available=False, reason=error.message))
        else:
            self._set(replace(self.state, available=True, reason="", models=models))

    async def _list(self) -> tuple[Model, ...]:
        state = self.state
        response = await self._client.request(
            "GET",
            state.address,
            state.target(state.codec.list_target),
            headers=state.headers,
            timeout=_TIMEOUT,
        )
        async with response:
            if response.status != 200:
                return await self._without_list(response)
            return state.codec.parse_models(await response.json())

    async def _without_list(self, response: ClientResponse) -> tuple[Model, ...]:
        if response.status in _LISTLESS:
            return ()
        if response.status in _REFUSING:
            raise Unavailable("it refuses the API key")
        message = backend_failure(response.status, await response.read()).message
        raise Unavailable(f"it answers {response.status}: {message}")

    def _set(self, state: BackendState) -> None:
        if state == self.state:
            return
        if state.available != self.state.available:
            how = "is available" if state.available else f"is not available: {state.reason}"
            log.info("backend %s %s", state.route.name, how)
        self.state = state
        self._changed()
