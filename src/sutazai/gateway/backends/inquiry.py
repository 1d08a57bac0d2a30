"""Asks a server what it tells beside its list of models: contexts, slots, what it has loaded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from sutazai.fleet.errors import BadPeer
from sutazai.fleet.routes import BackendRoute, PinnedRoute
from sutazai.gateway.backends.pins import pin_of
from sutazai.gateway.backends.told import (
    LLAMACPP,
    Loaded,
    Props,
    digest_of,
    read_loaded,
    read_props,
    read_trained,
)
from sutazai.gateway.dialects.neutral import Model

Ask = Callable[[str, str, Any], Awaitable[Any]]
"""Method, path and JSON in, JSON out; the path is from the server's root. Raises as `Client.call`,
BadPeer for a status above 299."""


class Inquiry(Protocol):
    """What is asked of one server; ``loaded`` and ``slots`` are None where it does not tell."""

    loaded: tuple[Loaded, ...] | None
    most_loaded: int
    slots: int | None

    async def glance(self, models: Sequence[Model]) -> None:
        """Asks what is quickly told: what it has in its memory now, or how it was started."""

    async def learn(self, models: Sequence[Model]) -> None:
        """Asks what is not known yet of each of ``models``."""

    def described(self, models: Sequence[Model]) -> tuple[Model, ...]:
        """``models`` with the contexts that hold for calls."""

    def forget(self) -> None:
        """It was away, and may have come back another."""


def inquiry_of(route: BackendRoute, ask: Ask, *, ollama: bool) -> Inquiry:
    """What to ask of the backend that ``route`` declares."""
    return OllamaInquiry(route.models, ask) if ollama else OpenAiInquiry(route.models, ask)


class OllamaInquiry:
    """``/api/ps`` at every glance, ``/api/show`` once for each digest."""

    def __init__(self, pins: Mapping[str, PinnedRoute], ask: Ask) -> None:
        self.loaded: tuple[Loaded, ...] | None = None
        self.most_loaded = 1
        self.slots: int | None = None
        self._pins = pins
        self._ask = ask
        self._trained: dict[str, int] = {}  # by digest
        self._loaded_with: dict[str, int] = {}  # by name

    async def learn(self, models: Sequence[Model]) -> None:
        known = {digest: self._trained[digest] for digest in map(digest_of, models)
                 if digest in self._trained}  # fmt: skip
        self._trained = known
        for model in models:
            if digest_of(model) not in self._trained:
                self._trained[digest_of(model)] = await self._show(model.name)

    async def glance(self, models: Sequence[Model]) -> None:
        try:
            self.loaded = read_loaded(await self._ask("GET", "/api/ps", None))
        except BadPeer:  # an Ollama from before there was such a list
            self.loaded = None
            return
        self.most_loaded = max(self.most_loaded, len(self.loaded))
        self._loaded_with.update((each.name, each.context) for each in self.loaded if each.context)

    def described(self, models: Sequence[Model]) -> tuple[Model, ...]:
        names = {model.name for model in models}
        self._loaded_with = {name: n for name, n in self._loaded_with.items() if name in names}
        return tuple(replace(model, context=self._context(model)) for model in models)

    def forget(self) -> None:
        self.loaded = None
        self._loaded_with.clear()

    async def _show(self, name: str) -> int:
        try:
            return read_trained(await self._ask("POST", "/api/show", {"model": name}))
        except BadPeer:  # one model that it cannot read
            return 0

    def _context(self, model: Model) -> int:
        pin = pin_of(self._pins, model.name)
        trained = self._trained.get(digest_of(model), 0)
        context = (pin.context if pin else None) or self._loaded_with.get(model.name, 0)
        return min(context, trained) if context and trained else context or trained


class OpenAiInquiry:
    """What a list of models does not tell: the slots of llama.cpp's server, and their context."""

    def __init__(self, pins: Mapping[str, PinnedRoute], ask: Ask) -> None:
        self.loaded: tuple[Loaded, ...] | None = None
        self.most_loaded = 1
        self.slots: int | None = None
        self._pins = pins
        self._ask = ask
        self._props: Props | None = None
        self._first_seen: dict[str, float] = {}

    async def glance(self, models: Sequence[Model]) -> None:
        if self._props is None and any(model.owner == LLAMACPP for model in models):
            self._props = await self._ask_props()
            self.slots = self._props.slots or None

    async def learn(self, models: Sequence[Model]) -> None:
        """Its list has told all else."""

    def described(self, models: Sequence[Model]) -> tuple[Model, ...]:
        return tuple(
            replace(model, context=self._context(model), created=self._created(model))
            for model in models
        )

    def forget(self) -> None:
        self._props = None

    def _created(self, model: Model) -> float:
        """llama.cpp always says now; its first word stays, for the list must not always change."""
        if model.owner != LLAMACPP:
            return model.created
        return self._first_seen.setdefault(model.name, model.created)

    async def _ask_props(self) -> Props:
        try:
            return read_props(await self._ask("GET", "/props", None))
        except BadPeer:
            return Props()

    def _context(self, model: Model) -> int:
        pin = pin_of(self._pins, model.name)
        own = self._props.context if self._props is not None and model.owner == LLAMACPP else 0
        return (pin.context if pin else None) or own or model.context
