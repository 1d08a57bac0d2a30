"""Which model names there are, and which backends serve each. Pure.

A client names a tier (`fast`), a backend's model, or nothing (or `default`: the standard tier).
Ollama's implicit tag holds: `x` and `x:latest` are the same model, whoever writes which.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sutazai.fleet.errors import NoModel
from sutazai.fleet.routes import TierRoute
from sutazai.gateway.dialects.neutral import Model
from sutazai.gateway.failures import UnknownModel

DEFAULT = "default"
DEFAULT_TIER = "standard"

_LATEST = ":latest"
_NAMES_SHOWN = 20
_EMBEDDERS = ("embed", "bert", "bge-", "minilm")


@dataclass(frozen=True)
class Served:
    """What is known of one backend; ``models`` is None until it was first reached."""

    name: str
    models: tuple[Model, ...] | None


@dataclass(frozen=True)
class Target:
    """What a call can ask for.

    ``models`` gives for each backend that serves it the model's name there, None where that is not
    known yet because the backend was never reached.
    """

    name: str
    tier: str | None
    models: Mapping[str, str | None]


@dataclass(frozen=True)
class Catalogue:
    """All targets by every name they go by. Made by `build_catalogue`, never changed."""

    tiers: Mapping[str, Target]
    models: Mapping[str, Target]
    descriptions: tuple[Model, ...]
    unreached: tuple[str, ...]

    def resolve(self, asked: str | None) -> Target:
        """The target that a client means.

        Raises UnknownModel, or NoModel where the name may well exist on a backend that was not
        reached yet, or where nothing serves the tier.
        """
        target = self._find(asked or DEFAULT)
        if target is None:
            raise self._unknown(asked or DEFAULT)
        if not target.models:
            raise NoModel(
                f"no backend serves the tier {target.name!r}",
                hint="pull a model, or declare a backend that has one",
            )
        return target

    def describe(self, name: str) -> Model:
        """The description of a model or tier. Raises as `resolve` does."""
        target = self.resolve(name)
        for model in self.descriptions:
            if model.name == target.name:
                return model
        raise self._unknown(name)

    def targets_of(self, backend: str) -> frozenset[str]:
        """The keys of the targets that ``backend`` serves."""
        return frozenset(
            key_of(target)
            for target in (*self.tiers.values(), *self.models.values())
            if backend in target.models
        )

    def names(self) -> tuple[str, ...]:
        return tuple(model.name for model in self.descriptions)

    def _find(self, asked: str) -> Target | None:
        bare = asked.removesuffix(_LATEST)
        if bare == DEFAULT and DEFAULT not in self.tiers and DEFAULT not in self.models:
            return self._default()
        return (
            self.tiers.get(bare)
            or self.models.get(asked)
            or self.models.get(bare)
            or self.models.get(bare + _LATEST)
        )

    def _default(self) -> Target | None:
        if DEFAULT_TIER in self.tiers:
            return self.tiers[DEFAULT_TIER]
        return next(iter((*self.tiers.values(), *self.models.values())), None)

    def _unknown(self, asked: str) -> UnknownModel | NoModel:
        if self.unreached:
            backends = ", ".join(self.unreached)
            return NoModel(
                f"no model {asked!r} is known, and not every backend was reached: {backends}",
                hint="try again, or look at the backend",
            )
        names = self.names()
        more = ", …" if len(names) > _NAMES_SHOWN else ""
        shown = ", ".join(names[:_NAMES_SHOWN]) or "none"
        return UnknownModel(f"model {asked!r} not found", hint=f"there are: {shown}{more}")


def key_of(target: Target) -> str:
    """What the scheduler knows a target by; a tier and a model may have the same name."""
    return f"tier:{target.name}" if target.tier else f"model:{target.name}"


def build_catalogue(backends: Collection[Served], tiers: Collection[TierRoute]) -> Catalogue:
    """The catalogue of what ``backends`` have and ``tiers`` say."""
    models: dict[str, dict[str, str | None]] = {}
    described: dict[str, Model] = {}
    for backend in backends:
        for model in backend.models or ():
            models.setdefault(model.name, {})[backend.name] = model.name
            described.setdefault(model.name, model)
    tier_targets = {tier.name: _tier_target(tier, backends) for tier in tiers}
    shown = [Model(name, owner="sutazai") for name, target in tier_targets.items() if target.models]
    return Catalogue(
        tiers=tier_targets,
        models={name: Target(name, None, where) for name, where in models.items()},
        descriptions=(*described.values(), *(tier for tier in shown if tier.name not in described)),
        unreached=tuple(backend.name for backend in backends if backend.models is None),
    )


def _tier_target(tier: TierRoute, backends: Collection[Served]) -> Target:
    members = [
        backend for backend in backends if not tier.backends or backend.name in tier.backends
    ]
    where = {}
    for backend in members:
        serves, model = _model_for(tier.model, backend.models)
        if serves:
            where[backend.name] = model
    return Target(tier.name, tier.name, where)


def _model_for(wanted: str | None, models: tuple[Model, ...] | None) -> tuple[bool, str | None]:
    """Whether a backend with ``models`` serves a tier that wants ``wanted``, and by which model."""
    if models is None:
        return True, wanted
    names = [model.name for model in models]
    if wanted is None:
        chats = [name for name in names if not any(word in name.lower() for word in _EMBEDDERS)]
        first = next(iter(chats or names), None)
        return first is not None, first
    if not names:  # a backend that lists nothing may still have it
        return True, wanted
    for name in (wanted, wanted.removesuffix(_LATEST), wanted + _LATEST):
        if name in names:
            return True, name
    return False, None
