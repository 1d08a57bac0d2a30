"""Which models of which backends are well: counts what calls tell of them, probes and checks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial

from sutazai.fleet.errors import SutazaiError
from sutazai.gateway.backends.breakers import Breakers, Circuit, Party, Tripped
from sutazai.gateway.backends.checks import Standing, check
from sutazai.gateway.backends.discovery import Watch
from sutazai.gateway.backends.probing import Prober
from sutazai.wire import Client

log = logging.getLogger("sutazai.gateway")

_TOLD_MAX = 3


class Health:
    """The breakers of all backends, and what closes them again.

    Args:
        changed: called when a model is taken for broken, or for well again.
        clock: seconds, monotonic.
        tripped: told of each time that a model is taken for broken.
    """

    def __init__(
        self,
        client: Client,
        changed: Callable[[], None],
        clock: Callable[[], float],
        tripped: Tripped,
    ) -> None:
        self._changed = changed
        self._clock = clock
        self._tripped = tripped
        self._breakers = Breakers()
        self._prober = Prober(client)
        self._checked: dict[str, float] = {}

    def succeeded(self, backend: str, model: str) -> None:
        """A call has been answered."""
        if self._breakers.failing:  # as hardly ever
            self._breakers.succeeded(backend, model, self._clock())

    def failed(self, backend: str, model: str, why: str, party: Party) -> None:
        """A call has failed by the backend's fault."""
        if self._breakers.failed(backend, model, self._clock(), why, party):
            self._tripped(backend, model, self._breakers.blamed(backend, model))
            self._is_broken(backend, model, why)

    def is_open(self, backend: str, model: str) -> bool:
        return self._breakers.is_open(backend, model)

    def circuits(self) -> tuple[Circuit, ...]:
        return self._breakers.snapshot()

    def trouble(self, backend: str) -> str:
        """Which of its models are taken for broken, in words."""
        told = [
            f"it lists {each.model!r} but cannot generate with it: {each.why}"
            for each in self._breakers.snapshot()
            if each.backend == backend and self.is_open(backend, each.model)
        ]
        more = [f"and {len(told) - _TOLD_MAX} more"] if len(told) > _TOLD_MAX else []
        return "; ".join(told[:_TOLD_MAX] + more)

    def attend(
        self,
        watches: Iterable[Watch],
        *,
        wanted: Collection[tuple[str, str]],
        models_of: Callable[[str], Iterable[str]],
        is_idle: Callable[[str], bool],
    ) -> None:
        """Probes and checks what is due.

        Args:
            wanted: backends and models that were asked for of late.
            models_of: what a backend can be asked for, what tiers take first.
            is_idle: whether no call runs on a backend.
        """
        now = self._clock()
        there = {each.state.route.name: each for each in watches if each.state.available}
        for backend, model in self._breakers.due(now):
            watch = there.get(backend)
            if watch is not None and (watch.state.is_resident(model) or (backend, model) in wanted):
                self._probe(watch, model, now)
        for name, watch in there.items():
            if watch.state.route.check is not None and is_idle(name):
                self._check(watch, models_of(name), watch.state.route.check, now)

    def keep(self, backend: str, models: Collection[str]) -> None:
        """It has no others than these any more."""
        self._breakers.keep(backend, models)

    async def forget(self, backend: str) -> None:
        """It is not declared any more, or otherwise."""
        await self._prober.stop(backend)
        self._checked.pop(backend, None)
        self.keep(backend, ())

    async def close(self) -> None:
        await self._prober.close()

    def _probe(self, watch: Watch, model: str, now: float) -> None:
        backend = watch.state.route.name
        loads = not watch.state.is_resident(model)
        if loads and self._prober.is_busy(backend):
            return
        if self._breakers.probe(backend, model, now):
            self._prober.start(watch.state, model, partial(self._probed, watch, model))

    def _probed(self, watch: Watch, model: str, fault: SutazaiError | None) -> None:
        backend = watch.state.route.name
        self._breakers.probed(backend, model, self._clock(), fault.message if fault else None)
        if fault is None:
            log.info("backend %s: %s generates again", backend, model)
            watch.answer_check()
        else:
            self._tripped(backend, model, frozenset())
        self._changed()

    def _check(self, watch: Watch, models: Iterable[str], every: float, now: float) -> None:
        state, backend = watch.state, watch.state.route.name
        standing = Standing(
            every=every,
            since=watch.since,
            answered=watch.answered,
            checked=self._checked.get(backend, float("-inf")),
            resident=state.resident,
            models=models,
        )
        model = check(now, standing)
        if model is None or self._prober.is_busy(backend) or self.is_open(backend, model):
            return
        self._checked[backend] = now
        self._prober.start(state, model, partial(self._was_checked, watch, model))

    def _was_checked(self, watch: Watch, model: str, fault: SutazaiError | None) -> None:
        if fault is None:
            watch.answer_check()
            return
        backend = watch.state.route.name
        self._breakers.trip(backend, model, self._clock(), fault.message)
        self._tripped(backend, model, frozenset())
        self._is_broken(backend, model, fault.message)

    def _is_broken(self, backend: str, model: str, why: str) -> None:
        log.warning("backend %s: %s is taken for broken: %s", backend, model, why)
        self._changed()
