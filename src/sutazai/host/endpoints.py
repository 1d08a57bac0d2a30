"""Tells the gateway which instances are ready, as deltas that cannot be lost or mixed up.

Each answer tells what there is to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from pydantic import ValidationError

from sutazai.fleet.errors import Conflict, SutazaiError
from sutazai.fleet.facts import Endpoint, EndpointFacts, Heard
from sutazai.fleet.ids import new_tag
from sutazai.host.bell import Bell
from sutazai.host.demand import Demands
from sutazai.wire import Address, Client, Timeout

HEARTBEAT = 2.0
RETRY = 0.1
RETRY_MAX = 1.0
WITHDRAWAL = 2.0
PATIENCE = Timeout(connect=1.0, headers=2.0, idle=2.0)


class Endpoints:
    """The ready instances of this machine, and their way to the gateway.

    Whatever goes wrong on the way (a gap, a new gateway, a dead one), the next message is a full
    one, so the gateway's picture is right again as soon as it answers.

    Attributes:
        demands: what the gateway tells of the work that there is.
        active: the agents that had something in hand at its last answer, or at the one before.
        heard: rung at each answer.
    """

    def __init__(self, client: Client, gateway: Address) -> None:
        self.demands = Demands()
        self.active: set[str] = set()
        self.heard = Bell()
        self._client = client
        self._gateway = gateway
        self._ready: dict[str, Endpoint] = {}
        self._pending_ready: dict[str, Endpoint] = {}
        self._pending_gone: set[str] = set()
        self._bridges: tuple[str, ...] = ()
        self._incarnation = new_tag(8)
        self._sequence = 0
        self._full = True
        self._reachable = False
        self._work = asyncio.Event()
        self._told = Bell()

    def ready(self, endpoint: Endpoint) -> None:
        """From now on calls may go to that instance."""
        if self._ready.get(endpoint.instance) != endpoint:
            self._ready[endpoint.instance] = endpoint
            self._pending_ready[endpoint.instance] = endpoint
            self._work.set()

    def gone(self, instance: str) -> None:
        """From now on no call may go there."""
        if self._ready.pop(instance, None) is not None:
            self._pending_ready.pop(instance, None)
            self._pending_gone.add(instance)
            self._work.set()

    def bridge(self, address: str) -> None:
        """The gateway is to listen on that address of this machine too, for containers."""
        if address not in self._bridges:
            self._bridges = (*self._bridges, address)
            self._work.set()

    def of(self, unit: str) -> tuple[Endpoint, ...]:
        """The ready instances of one unit."""
        return tuple(one for one in self._ready.values() if one.owner == unit)

    async def withdraw(self, instance: str) -> bool:
        """Says that an instance is gone and waits, for a bounded time, until the gateway knows.

        Whether it has a call in hand all the same.
        """
        self.gone(instance)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHDRAWAL):
                while instance in self._pending_gone and self._reachable:
                    await self._told.wait()
        return self.demands.known and instance in self.demands.busy

    async def run(self) -> None:
        """Sends what there is to say, for ever."""
        pause = RETRY
        while True:
            if await self._send():
                pause = RETRY
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._work.wait(), HEARTBEAT)
            else:
                await asyncio.sleep(pause)
                pause = min(RETRY_MAX, pause * 2)

    async def _send(self) -> bool:
        """Sends one message; whether the gateway answered. Whatever failed makes the next full."""
        self._work.clear()
        gone, facts = frozenset(self._pending_gone), self._next_facts()
        self._pending_ready = {}
        try:
            value = facts.model_dump(mode="json")
            heard = await self._client.call(
                "POST", self._gateway, "/facts", value, timeout=PATIENCE
            )
            self._hear(Heard.model_validate(heard))
        except Conflict:
            self._full = True
            self._work.set()
            return True
        except (SutazaiError, ValidationError):
            self._full, self._reachable = True, False
            self.demands.lose()
            self._told.fire()  # a gateway that is away sends nobody anywhere
            return False
        self._sequence, self._full, self._reachable = facts.sequence, False, True
        self._pending_gone -= gone
        self._told.fire()
        return True

    def _hear(self, heard: Heard) -> None:
        self.active = self.demands.hear(heard.demand, time.monotonic())
        self.heard.fire()

    def _next_facts(self) -> EndpointFacts:
        return EndpointFacts(
            incarnation=self._incarnation,
            sequence=self._sequence + 1,
            full=self._full,
            ready=tuple((self._ready if self._full else self._pending_ready).values()),
            gone=() if self._full else tuple(self._pending_gone),
            bridges=self._bridges,
        )
