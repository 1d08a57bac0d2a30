"""All that LLM calls go through, put together: the queue, its backends, and what is kept."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.facts import AgentDemand, LlmDemand
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Routes
from sutazai.gateway.backends.registry import Backends
from sutazai.gateway.bypass import Bypass, local_ports
from sutazai.gateway.callers.activity import Activity, Room
from sutazai.gateway.callers.budgets import Budgets
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.callers.tasks import Tasks
from sutazai.gateway.calls.endpoints import Endpoints
from sutazai.gateway.calls.plant import Plant
from sutazai.gateway.calls.shared import Sharing
from sutazai.gateway.cells import BackendGauges, Gauges
from sutazai.gateway.doors.arms import Arms
from sutazai.gateway.metrics import Metrics
from sutazai.gateway.operations import Operations
from sutazai.gateway.queue.admission import Admission
from sutazai.gateway.records.ledger import Ledger
from sutazai.gateway.records.store import Store
from sutazai.gateway.records.summary import Recent, Summary
from sutazai.gateway.sharing.cache import AnswerCache
from sutazai.gateway.state import NO_ROUTES, Keeping, Switch
from sutazai.gateway.stats import BackendStats
from sutazai.wire import Client, Request, Router

log = logging.getLogger("sutazai.gateway")


class LlmSide:
    """The LLM side of the gateway. Made where an event loop runs; `start` it, `close` it.

    Args:
        client: for backends.
        places: where its files are.
    """

    def __init__(self, client: Client, places: Places) -> None:
        self._begun = time.monotonic()
        self._revision = NO_ROUTES.revision
        self._ledger = Ledger()
        self._store = Store(places.calls, NO_ROUTES.record, settle=self._ledger.settle)
        self._metrics = Metrics()
        self._recent = Recent()
        self._paused = Switch(places.paused)
        self._tending: asyncio.Task[None] | None = None
        self._budgets_kept = Keeping(places.budgets, self._dumped)
        self.tasks = Tasks()
        self.activity = Activity()
        self.arms = Arms(self._ledger.settle)
        watching = (self._metrics, self._recent, self._store)
        self._ledger.observers = (*watching, self.activity, self.arms)
        self.admission = Admission(NO_ROUTES.queue, client.hurried)
        self.backends = Backends(
            client,
            self.admission.update_backends,
            load=self.admission.load,
            tripped=self.arms.tripped,
        )
        self._budgets = Budgets(self._budgets_kept.touch)
        self._budgets.load(_load(places.budgets))
        self._plant = Plant(
            client=client,
            backends=self.backends,
            admission=self.admission,
            budgets=self._budgets,
            tasks=self.tasks,
            cache=AnswerCache(NO_ROUTES.cache.size, NO_ROUTES.cache.age),
            letters=self._store.letters,
            activity=self.activity,
            ledger=self._ledger,
        )
        self._sharing = Sharing(self._plant)
        self._endpoints = Endpoints(self._plant, self._sharing)
        self._bypass = Bypass(self._ports)
        self.operations = Operations(
            client,
            self.backends,
            self.admission,
            self._store,
            self._bypass,
            replay=self._endpoints.replay,
            metrics=self.metrics_text,
            paused=self._paused,
            recent=self.recent,
            cache=self._plant.cache,
        )

    def start(self) -> None:
        """Keeps records from now on, and looks after who passes the gateway by."""
        self._store.start()
        if self._paused.on:
            self.admission.pause()
        self._tending = asyncio.create_task(self._bypass.run(), name="bypass")

    def serve(self, router: Router, identify: Callable[[Request], Caller]) -> None:
        """Adds the LLM endpoints; ``identify`` tells who calls or raises Refused."""
        self._endpoints.serve(router, identify)

    async def apply(self, routes: Routes, named: Callable[[str], Caller]) -> None:
        """Calls go by ``routes`` from now on; ``named`` gives the caller of a name."""
        self._revision = routes.revision
        self._plant.apply(routes)
        self._store.apply(routes.record)
        self._ledger.settle()
        self._metrics.declare({key.name: key.group for key in routes.keys})
        self._budgets.keep([key.name for key in routes.keys])
        self._endpoints.named = named
        self.tasks.apply(routes.keys, repeats=routes.repeats, run_budget=routes.run_budget)
        self.admission.update(routes.queue)
        await self.backends.apply(routes.backends, routes.tiers, routes.aliases)

    async def close(self) -> None:
        """Ends what is under way, and writes what waits."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        await self._sharing.close()
        await self._plant.departures.close()
        await self.backends.close()
        self.admission.close()
        await self._budgets_kept.close()
        await self._store.close()

    async def metrics_text(self) -> bytes:
        """The text for Prometheus."""
        self._ledger.settle()
        pieces = []
        for piece in self._metrics.render(self._gauges(await self._dead_letters())):
            pieces.append(piece)
            await asyncio.sleep(0)  # calls go on in between
        return b"".join(pieces)

    async def _dead_letters(self) -> int:
        try:
            return await self._store.letters.count()
        except SutazaiError:  # metrics are read most when something is wrong
            return 0

    def recent(self) -> Summary:
        """The figures of the last minutes."""
        self._ledger.settle()
        return self._recent.summary(time.time())

    def agents(self, room: Room) -> tuple[AgentDemand, ...]:
        """Every agent that did something lately; see `Activity.demand`."""
        self._ledger.settle()
        return self.activity.demand(room)

    def demand(self) -> LlmDemand:
        """How much of the LLM is free now."""
        states = [state for state in self.backends.states if state.available]
        shot = self.admission.snapshot()
        running = sum(shot.running.get(state.route.name, 0) for state in states)
        return LlmDemand(
            free=max(0, sum(state.slots for state in states) - running),
            queued=sum(shot.waiting.values()),
            bound=self.admission.bound,
            healthy=bool(states),
        )

    def stats(self) -> dict[str, Any]:
        """The figures of this moment, for `GatewayStats`."""
        shot = self.admission.snapshot()
        return {
            "backends": tuple(
                BackendStats(
                    name=state.route.name,
                    available=state.available,
                    reason=state.reason or state.finding,
                    slots=state.slots,
                    running=shot.running.get(state.route.name, 0),
                    models=tuple(model.name for model in state.models or ()),
                )
                for state in self.backends.states
            ),
            "queued": shot.waiting,
            "running": sum(shot.running.values()),
            "oldest_wait": shot.oldest_wait,
            "uptime": time.monotonic() - self._begun,
            "paused": self._paused.on,
            "cache_hits": self._plant.cache.hits,
            "shared": self._sharing.joined,
            "recent": self.recent(),
            **asdict(self._metrics.totals()),
        }

    def _gauges(self, dead_letters: int) -> Gauges:
        shot = self.admission.snapshot()
        cache = self._plant.cache
        breakers: dict[str, dict[str, str]] = {}
        for circuit in self.backends.circuits():
            breakers.setdefault(circuit.backend, {})[circuit.model] = circuit.condition.value
        return Gauges(
            revision=self._revision,
            uptime=time.monotonic() - self._begun,
            paused=self._paused.on,
            queued={priority.value: count for priority, count in shot.waiting.items()},
            oldest_wait=shot.oldest_wait,
            backends=[
                BackendGauges(
                    state.route.name,
                    state.available,
                    shot.running.get(state.route.name, 0),
                    state.slots,
                    breakers.get(state.route.name, {}),
                    state.memory,
                )
                for state in self.backends.states
            ],
            cache_bytes=cache.bytes,
            cache_hits=cache.hits,
            cache_misses=cache.misses,
            dead_letters=dead_letters,
            records_dropped=self._store.dropped,
        )

    def _ports(self) -> frozenset[int]:
        return local_ports(state.route.address for state in self.backends.states)

    def _dumped(self) -> bytes:
        return json.dumps(self._budgets.dump()).encode()


def _load(path: Path) -> dict[str, Any]:
    """What keys have used today; nothing where that cannot be read."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        log.warning("%s cannot be used, going on without it: %s", path, error)
        return {}
    return value if isinstance(value, dict) else {}
