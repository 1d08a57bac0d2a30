"""Calls agents through the gateway's front doors, and tells what an agent's death looked like."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from sutazai.fleet.errors import (
    AgentFailed,
    BadPeer,
    DeadlineExceeded,
    InstanceLost,
    SutazaiError,
)
from sutazai.fleet.status import Exit, HostStatus, State
from sutazai.fleet.trace_ids import TRACEPARENT
from sutazai.fleet.work import Invocation, Result
from sutazai.wire import Address, Client, Timeout

GRACE = 2.0
"""Seconds that the instance has to report its own deadline before ours strikes."""
EXIT_WAIT = 1.5
"""Seconds in which the host will have noticed that an instance ended."""
LINES = 20
ASKING = Timeout(headers=5.0, idle=5.0)
UNABLE = {
    State.STOPPED: "is stopped",
    State.FAILED: "has failed",
    State.NOT_INSTALLED: "is not installed",
}
"""States in which asking an agent is of no use."""

Ask = Callable[[str, Invocation], Awaitable[Result]]


class AgentCalls:
    """Invokes agents. Errors carry its last log lines (``data["lines"]``) where it helps."""

    def __init__(
        self,
        client: Client,
        gateway: Address,
        host: Address | None,
        *,
        key: str | None = None,
        grace: float = GRACE,
    ) -> None:
        """
        Args:
            host: who knows why an agent failed; None where that machine's host is out of reach.
            key: what the gateway wants to see where it is not reached by its own socket.
            grace: see `GRACE`.
        """
        self._client = client
        self._grace = grace
        self._gateway = gateway
        self._host = host
        self._key = [("x-api-key", key)] if key else []
        self._fetches: Callable[[str], bool] = lambda agent: False
        self._ask: Ask | None = None

    def divert(self, fetches: Callable[[str], bool], ask: Ask) -> None:
        """From now on agents that fetch their tasks are asked by ``ask``: nobody can call them."""
        self._fetches, self._ask = fetches, ask

    async def invoke(self, agent: str, invocation: Invocation) -> Result:
        """Asks and waits, ``invocation.deadline`` seconds at most. Raises any SutazaiError."""
        if self._ask is not None and self._fetches(agent):
            return await self._ask(agent, invocation)
        began = time.time()
        try:
            return await self._invoke(agent, invocation)
        except SutazaiError as error:
            await self.explain(agent, error, began)
            raise

    async def explain(self, agent: str, error: SutazaiError, began: float) -> None:
        """Adds to ``error.data`` what is known of why an agent failed.

        ``exit`` is how its instance ended since ``began`` (seconds since 1970), ``lines`` what it
        said last.
        """
        if isinstance(error, InstanceLost):
            await self._add_exit(agent, error, began)
        elif isinstance(error, AgentFailed | DeadlineExceeded):
            await self._add_lines(agent, error)

    async def unable(self) -> dict[str, str]:
        """Agents that cannot work now, each with the reason. Raises any SutazaiError."""
        if self._host is None:
            return {}
        units = (await self._status(self._host, states=",".join(UNABLE))).units
        return {unit.name: UNABLE[unit.state] for unit in units if unit.state in UNABLE}

    async def exits(self) -> dict[str, float]:
        """When a process of each agent last ended, in seconds since 1970, where that is known."""
        if self._host is None:
            return {}
        units = (await self._status(self._host)).units
        return {unit.name: unit.last_exit.at for unit in units if unit.last_exit is not None}

    async def restart(self, agent: str) -> None:
        """Has an agent that hangs started again, where it runs here. Raises any SutazaiError."""
        if self._host is None:
            return
        units = (await self._status(self._host, unit=agent)).units
        if any(unit.name == agent and unit.state is State.HEALTHY for unit in units):
            target = f"/units/{agent}/restart"
            await self._client.call("POST", self._host, target, timeout=ASKING)

    async def _status(self, host: Address, **narrowed: str) -> HostStatus:
        target = f"/status?{urlencode(narrowed)}" if narrowed else "/status"
        value = await self._client.call("GET", host, target, timeout=ASKING)
        try:
            return HostStatus.model_validate(value)
        except ValidationError as error:
            raise BadPeer(f"the host gave an answer of another form: {error}") from error

    async def _invoke(self, agent: str, invocation: Invocation) -> Result:
        longest = invocation.deadline + self._grace
        try:
            async with asyncio.timeout(longest):
                value = await self._client.call(
                    "POST",
                    self._gateway,
                    f"/agents/{agent}/invoke",
                    {"input": None}  # which is said, too
                    | invocation.model_dump(mode="json", by_alias=True, exclude_none=True),
                    headers=[*handed(invocation), *self._key],
                    timeout=Timeout(headers=None),  # the one bound is ours
                )
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"{agent} did not answer within {invocation.deadline:g} s",
                hint="give it a longer deadline, or look at the agent's log",
                agent=agent,
            ) from error
        try:
            return Result.model_validate(well_formed(value))
        except ValidationError as error:
            raise BadPeer(f"{agent} gave an answer of another form: {error}") from error

    async def _add_exit(self, agent: str, error: SutazaiError, began: float) -> None:
        found = await self._exit_since(agent, began)
        if found is None:
            await self._add_lines(agent, error)
            return
        error.data["exit"] = found.reason
        error.data["lines"] = list(found.lines[-LINES:])

    async def _exit_since(self, agent: str, began: float) -> Exit | None:
        """How the agent's instance ended, once the host has noticed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_WAIT):
                while True:
                    found = await self._last_exit(agent)
                    if found is not None and found.at >= began:
                        return found
                    await asyncio.sleep(0.2)
        return None

    async def _last_exit(self, agent: str) -> Exit | None:
        if self._host is None:
            return None
        with contextlib.suppress(SutazaiError):  # only a better message is lost
            units = (await self._status(self._host, unit=agent)).units
            return next((unit.last_exit for unit in units if unit.name == agent), None)
        return None

    async def _add_lines(self, agent: str, error: SutazaiError) -> None:
        if self._host is None:
            return
        with contextlib.suppress(SutazaiError):  # only a better message is lost
            target = f"/units/{agent}/log?lines={LINES}"
            async with await self._client.request(
                "GET", self._host, target, timeout=ASKING
            ) as response:
                if response.status == 200:
                    text = (await response.read()).decode(errors="replace")
                    error.data["lines"] = text.splitlines()[-LINES:]


def handed(invocation: Invocation) -> list[tuple[str, str]]:
    """The headers that tell the gateway what a call is made for, so that what the agent asks of
    models has its rank, is bound by its deadline and its budgets, and is charged to it; and the one
    that tells the agent in which span it works."""
    values = {
        "task": invocation.task,
        "run": invocation.run,
        "priority": invocation.priority,
        "deadline": f"{invocation.deadline:.3f}",
    }
    told = [(f"x-sutazai-{name}", value) for name, value in values.items() if value is not None]
    if invocation.traceparent is not None:
        told.append((TRACEPARENT, invocation.traceparent))
    return told


def well_formed(value: Any) -> Any:
    """JSON that every reader takes: no half characters, and null for what is no number.

    Python's own parser lets both in, and one such value would spoil every list it stands in.
    """
    text = json.dumps(value, ensure_ascii=False).encode(errors="replace")
    return json.loads(text, parse_constant=lambda _: None)
