"""The LLM servers behind the gateway: which there are, which are well, what they have."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import NoModel, SutazaiError
from sutazai.fleet.routes import BackendRoute, TierRoute
from sutazai.gateway.backends.breakers import NOBODY, Circuit, Party, Tripped
from sutazai.gateway.backends.catalogue import Served, Target, build_catalogue
from sutazai.gateway.backends.discovery import Watch
from sutazai.gateway.backends.faults import Fault, fault_of
from sutazai.gateway.backends.health import Health
from sutazai.gateway.backends.providers import reach_of
from sutazai.gateway.backends.sleep import SleepWatch
from sutazai.gateway.backends.slots import AdaptiveSlots
from sutazai.gateway.backends.state import BackendState
from sutazai.gateway.queue.lanes import Backend
from sutazai.wire import Client, TlsOptions

log = logging.getLogger("sutazai.gateway")

REFRESH_EVERY = 1.0
"""Unknown names make the gateway look again at most this often, in seconds."""

REFRESH_WAIT = 2.0
"""Longest that a caller with an unknown name waits for that look, in seconds."""

TEND_EVERY = 1.0
"""Seconds between two rounds of what is due."""

WANTED_FOR = 60.0
"""Seconds after a call for which its model counts as wanted."""

LOADED_EVERY = 3
"""Rounds between two looks at what is loaded, where several models are wanted."""

_TOO_MUCH = (Fault.OVERLOADED, Fault.TIMED_OUT)

Load = Callable[[str], tuple[int, int]]
"""Calls that run on a backend, and calls in the queue that could."""


class Backends:
    """Watches over all backends and keeps the catalogue of their models.

    Args:
        changed: told the scheduler's view of the backends whenever it is another.
        load: how busy a backend is; without it, none is ever found to be.
        clock: seconds, monotonic.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        client: Client,
        changed: Callable[[Collection[Backend]], None],
        *,
        load: Load = lambda backend: (0, 0),
        tripped: Tripped = lambda *trip: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._changed = changed
        self._load = load
        self._clock = clock
        self._wall = wall
        self._watches: dict[str, Watch] = {}
        self.published: Mapping[str, BackendState] = {}  # by name; another one after each change
        self._tiers: tuple[TierRoute, ...] = ()
        self._aliases: Mapping[str, str] = {}
        self._health = Health(client, self._publish, clock, tripped)
        self._adaptive: dict[str, AdaptiveSlots] = {}
        self._asked: dict[str, float] = {}  # key of a target → when it was last asked for
        self._sleep = SleepWatch(clock(), wall())
        self._refreshed = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None
        self._tending: asyncio.Task[None] | None = None
        self.catalogue = build_catalogue((), ())

    # what there is

    @property
    def states(self) -> list[BackendState]:
        return list(self.published.values())

    def state(self, name: str) -> BackendState:
        """Raises NoModel where the backend is not declared any more."""
        state = self.published.get(name)
        if state is None:
            raise NoModel(f"the backend {name!r} is not declared any more", hint="try again")
        return state

    def circuits(self) -> tuple[Circuit, ...]:
        """The breakers of all models that failed of late."""
        return self._health.circuits()

    async def resolve(self, asked: str | None, sticky: str = "") -> Target:
        """The target that a client means; looks again at the backends before it says no.

        Args:
            sticky: what decides among a tier's versions: the task's id, or the caller's.

        Raises UnknownModel or NoModel.
        """
        try:
            target = self.catalogue.resolve(asked, sticky)
        except SutazaiError:
            await self._refresh()
            target = self.catalogue.resolve(asked, sticky)
        self.wanted(target)
        return target

    def wanted(self, target: Target) -> None:
        """A call asks for ``target``."""
        self._asked[target.key] = self._clock()

    def model_of(self, target: Target, backend: str) -> str | None:
        """The name that ``target`` has on ``backend`` now, None where it is not there any more."""
        now = self.catalogue.find(target.key)
        return None if now is None else now.models.get(backend)

    def why_not(self, target: Target) -> str:
        """What is the matter with the backends that serve ``target``, in words."""
        states = [self.published[name] for name in target.models if name in self.published]
        return "; ".join(f"{each.route.name}: {each.reason}" for each in states if each.reason)

    # what calls tell

    def succeeded(
        self,
        name: str,
        model: str,
        tokens: int = 0,
        seconds: float = 0.0,
        first_token: float | None = None,
    ) -> None:
        """A call was answered to its end. To be told before its slot is released.

        Args:
            tokens: of the answer, nought where they were not told.
            seconds: from the slot to the end.
            first_token: seconds from the slot to the first token, None where that is not known.
        """
        watch = self._watches.get(name)
        if watch is None:
            return
        was_loaded = watch.answer(model)
        self._health.succeeded(name, model)
        adaptive = self._adaptive.get(name)
        if adaptive is None or not was_loaded:  # loading says nothing of slots
            return
        running, waiting = self._load(name)
        count = adaptive.ended(
            self._clock(),
            model=model,
            tokens=tokens,
            seconds=seconds,
            first_token=first_token,
            running=running,
            waiting=waiting,
        )
        if count is not None:
            self._publish()

    def failed(self, name: str, model: str, error: SutazaiError, party: Party = NOBODY) -> None:
        """A call failed that was made for ``party``; counts where that is the backend's fault."""
        fault, watch = fault_of(error), self._watches.get(name)
        if fault is None or watch is None:
            return
        self._notice_sleep()
        if fault is Fault.UNREACHABLE:
            watch.failed(error.message)
        if self._sleep.is_waking(self._clock()):
            return
        adaptive = self._adaptive.get(name) if fault in _TOO_MUCH else None
        if adaptive is not None and adaptive.overloaded(self._clock()) is not None:
            self._publish()
        self._health.failed(name, model, error.message, party)

    def look_soon(self, name: str) -> None:
        """The models of a backend may be others now."""
        if name in self._watches:
            self._watches[name].look_soon()

    async def look(self, names: Iterable[str]) -> None:
        """Looks at these now; who takes long is not waited for."""
        watches = [self._watches[name] for name in names if name in self._watches]
        looks = [asyncio.create_task(watch.look()) for watch in watches]
        try:
            if looks:
                await asyncio.wait(looks, timeout=REFRESH_WAIT)
        finally:
            for look in looks:
                look.cancel()

    async def renewed(self, name: str) -> bool:
        """A backend answered 401: whether it is worth asking once more, with a new token."""
        watch = self._watches.get(name)
        return watch is not None and await watch.renew()

    # declaring

    async def apply(
        self,
        routes: Sequence[BackendRoute],
        tiers: Sequence[TierRoute],
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Watch over these backends from now on; those that are the same stay as they are."""
        declared = {route.name: route for route in routes}
        outdated = {
            name: watch
            for name, watch in self._watches.items()
            if declared.get(name) != watch.state.route
        }
        self._tiers, self._aliases = tuple(tiers), aliases or {}
        self._watches = {
            name: watch
            if (watch := self._watches.get(name)) is not None and name not in outdated
            else self._watch(route, outdated.get(name))
            for name, route in declared.items()
        }
        for name in outdated:
            self._adaptive.pop(name, None)
        self._rebuild()
        if self._tending is None:
            self._tending = asyncio.create_task(self._tend(), name="backends-tending")
        await asyncio.gather(
            *(watch.close() for watch in outdated.values()), *map(self._health.forget, outdated)
        )

    async def close(self) -> None:
        tasks = [task for task in (self._tending, self._refreshing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._health.close()
        await asyncio.gather(*(watch.close() for watch in self._watches.values()))

    def _watch(self, route: BackendRoute, before: Watch | None) -> Watch:
        if route.ca is not None:
            self._trust(route, Path(route.ca))
        return Watch(
            self._client,
            route,
            self._rebuild,
            before=None if before is None else before.state,
            clock=self._clock,
            wall=self._wall,
        )

    def _trust(self, route: BackendRoute, ca: Path) -> None:
        """Knows a server by its own authority; where that cannot be used, its calls will say so."""
        try:
            reach = reach_of(route)
            for address in (reach.address, reach.list_address, reach.root):
                self._client.trust(address, TlsOptions(ca=ca))
        except SutazaiError as error:
            log.warning("the authority of %s cannot be used: %s", route.name, error.message)

    async def _refresh(self) -> None:
        """Looks at the backends again, unless that was done just now; all who come meanwhile wait
        for the one look."""
        now = self._clock()
        if self._refreshing is None:
            if not self._watches or now - self._refreshed < REFRESH_EVERY:
                return
            self._refreshed = now
            self._refreshing = asyncio.create_task(self._look(), name="backends-refresh")
        await asyncio.wait((self._refreshing,))

    async def _look(self) -> None:
        try:
            await self.look(self._watches)
        finally:
            self._refreshing = None

    # tending

    async def _tend(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(TEND_EVERY)
            rounds += 1
            try:
                self.attend(sees_loaded=rounds % LOADED_EVERY == 0)
            except Exception:  # one round that fails must not be the last
                log.exception("the backends cannot be tended")

    def attend(self, *, sees_loaded: bool = False) -> None:
        """One round of what is due: probes, checks, a look at what is loaded. Done by itself once a
        second."""
        self._notice_sleep()
        wanted = self._wanted()
        if sees_loaded:
            for name, watch in self._watches.items():
                if sum(backend == name for backend, _ in wanted) > 1:
                    watch.see_loaded()
        self._health.attend(
            self._watches.values(),
            wanted=wanted,
            models_of=lambda backend: dict.fromkeys(self.catalogue.targets_of(backend).values()),
            is_idle=lambda backend: self._load(backend)[0] == 0,
        )

    def _wanted(self) -> set[tuple[str, str]]:
        """Backends and models that were asked for of late."""
        now = self._clock()
        self._asked = {key: at for key, at in self._asked.items() if now - at < WANTED_FOR}
        targets = [target for key in self._asked if (target := self.catalogue.find(key))]
        return {
            (backend, model)
            for target in targets
            for backend, model in target.models.items()
            if model is not None
        }

    def _notice_sleep(self) -> None:
        """After a sleep all that was known is old, and what fails now is nobody's fault."""
        if self._sleep.woke(self._clock(), self._wall()):
            log.info("this machine slept: looking at all backends anew")
            for watch in self._watches.values():
                watch.look_soon()

    # telling

    def _rebuild(self) -> None:
        self.catalogue = build_catalogue(
            [_served(watch.state) for watch in self._watches.values()], self._tiers, self._aliases
        )
        for name, watch in self._watches.items():
            if watch.state.models is not None:
                self._health.keep(name, set(self.catalogue.targets_of(name).values()))
        self._publish()

    def _publish(self) -> None:
        self.published = {name: self._shown(watch.state) for name, watch in self._watches.items()}
        self._changed([self._scheduled(state) for state in self.published.values()])

    def _shown(self, state: BackendState) -> BackendState:
        """``state`` with what is known here: its slots, and what of it is taken for broken."""
        name = state.route.name
        state = replace(state, slots=self._slots(state))
        trouble = self._health.trouble(name) if state.available else ""
        if not trouble:
            return state
        models = self.catalogue.targets_of(name).values()
        works = not models or any(not self._health.is_open(name, model) for model in models)
        return replace(state, available=works, reason=trouble)

    def _slots(self, state: BackendState) -> int:
        name = state.route.name
        known = state.route.slots or state.told_slots
        if known:
            self._adaptive.pop(name, None)
            return known
        return self._adaptive.setdefault(name, AdaptiveSlots()).count

    def _scheduled(self, state: BackendState) -> Backend:
        name = state.route.name
        targets = {
            key: model
            for key, model in self.catalogue.targets_of(name).items()
            if not self._health.is_open(name, model)
        }
        return Backend(
            name=name,
            slots=state.slots,
            weight=state.route.weight,
            available=state.available,
            targets=targets,
            resident=state.resident,
            capacity=state.capacity,
        )


def _served(state: BackendState) -> Served:
    is_ollama = state.route.dialect is Dialect.OLLAMA
    return Served(
        state.route.name,
        state.models,
        reason=state.reason,
        fixed=state.reach.fixed,
        empty=is_ollama and state.models == (),
    )
