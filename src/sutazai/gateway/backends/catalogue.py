"""Which model names there are, and which backends serve each. Pure.

A client names a tier (`fast`), an alias of a tier or model, a backend's model, or nothing (or
`default`: the standard tier). Ollama's implicit tag holds: `x` and `x:latest` are the same model,
whoever writes which. A tier may have several versions; a task stays with one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sutazai.fleet.errors import NoModel
from sutazai.fleet.routes import TierRoute
from sutazai.gateway.backends.versions import pick
from sutazai.gateway.dialects.neutral import Model
from sutazai.gateway.failures import UnknownModel

DEFAULT = "default"
DEFAULT_TIER = "standard"

_LATEST = ":latest"
_NAMES_SHOWN = 20
_EMBEDDERS = ("embed", "bert", "bge-", "minilm")


@dataclass(frozen=True)
class Served:
    """What is known of one backend.

    Args:
        models: None until it was first reached.
        reason: what is the matter with it, in words, if something is.
        fixed: it has one model, whatever name it is asked for (a deployment of Azure OpenAI).
        empty: it has no model for certain; another that lists none may still have some.
    """

    name: str
    models: tuple[Model, ...] | None
    reason: str = ""
    fixed: bool = False
    empty: bool = False


@dataclass(frozen=True)
class Target:
    """What a call can ask for.

    Args:
        models: for each backend that serves it the model's name there, None where that is not known
            yet because the backend was never reached.
        version: which of the tier's versions, None where it has none.
        known: for each backend what it says of the model, where it says something.
    """

    name: str
    tier: str | None
    models: Mapping[str, str | None]
    version: str | None = None
    known: Mapping[str, Model] = field(default_factory=dict, repr=False)
    key: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        kind = "model" if self.tier is None else "tier"
        version = "" if self.version is None else f"@{self.version}"
        object.__setattr__(self, "key", f"{kind}:{self.name}{version}")

    def context(self, backend: str) -> int | None:
        """Tokens that prompt and answer may have together there, None where that is not known.

        What is declared, else what the model is loaded with, else what it was trained with: no
        longer prompt can do, and a shorter one may still be cut.
        """
        model = self.known.get(backend)
        return (model.context or None) if model is not None else None


@dataclass(frozen=True)
class Catalogue:
    """All targets by every name they go by. Made by `build_catalogue`, never changed.

    ``tiers`` hold what all versions of a tier have together.
    """

    tiers: Mapping[str, Target]
    models: Mapping[str, Target]
    descriptions: tuple[Model, ...]
    unreached: tuple[str, ...]
    aliases: Mapping[str, str]
    versions: Mapping[str, tuple[tuple[Target, float], ...]]
    fallbacks: Mapping[str, tuple[str, ...]]
    troubles: tuple[str, ...]
    _targets: Mapping[str, Target]

    def meant(self, asked: str | None) -> str:
        """The name behind an alias; an alias of an alias is not followed."""
        asked = asked or DEFAULT
        bare = asked.removesuffix(_LATEST)
        if bare in self.tiers:
            return asked
        return self.aliases.get(asked) or self.aliases.get(bare) or asked

    def resolve(self, asked: str | None, sticky: str = "") -> Target:
        """The target that a client means.

        Args:
            sticky: what decides among a tier's versions: the task's id, or the caller's.

        Raises UnknownModel, or NoModel where the name may well exist on a backend that was not
        reached yet, or where nothing serves the tier.
        """
        name = self.meant(asked)
        target = self._find(name)
        if target is None:
            raise self._unknown(name)
        target = self._version(target, sticky)
        if not target.models:
            raise NoModel(
                f"no backend serves the tier {target.name!r}",
                hint="; ".join(self.troubles) or "pull a model, or declare a backend that has one",
            )
        return target

    def find(self, key: str) -> Target | None:
        """The target that the scheduler knows as ``key``, as it is now."""
        return self._targets.get(key)

    def chain(self, target: Target, sticky: str = "") -> tuple[Target, ...]:
        """What may serve a call in the place of ``target``, in this order: the other versions of
        its tier, then the tiers that it falls back to. Only what some backend serves."""
        if target.tier is None:
            return ()
        others = [each for each, _ in self.versions.get(target.tier, ()) if each != target]
        tiers = [
            self._version(self.tiers[name], sticky)
            for name in self.fallbacks.get(target.tier, ())
            if name in self.tiers and name != target.tier
        ]
        return tuple(each for each in (*others, *tiers) if each.models)

    def describe(self, name: str) -> Model:
        """The description of a model, tier or alias. Raises as `resolve` does."""
        target = self.resolve(name)
        asked = name.removesuffix(_LATEST)
        wanted = asked if asked in self.aliases and asked not in self.tiers else target.name
        for model in self.descriptions:
            if model.name == wanted:
                return model
        raise self._unknown(name)

    def targets_of(self, backend: str) -> dict[str, str]:
        """The keys of the targets that ``backend`` serves, each with the model's name there. A
        tier's model that is not known yet has the empty name."""
        return {
            key: target.models[backend] or ""
            for key, target in self._targets.items()
            if backend in target.models
        }

    def names(self) -> tuple[str, ...]:
        return tuple(model.name for model in self.descriptions)

    def _version(self, target: Target, sticky: str) -> Target:
        """The version of a tier that ``sticky`` gets; the target itself where it has none."""
        versions = self.versions.get(target.tier or "", ())
        if not versions:
            return target
        served = {each.version or "": (each, weight) for each, weight in versions if each.models}
        version = pick(((name, weight) for name, (_, weight) in served.items()), sticky)
        return target if version is None else served[version][0]

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
                hint="; ".join(self.troubles) or "try again, or look at the backend",
            )
        names = self.names()
        more = ", …" if len(names) > _NAMES_SHOWN else ""
        shown = ", ".join(names[:_NAMES_SHOWN]) or "none"
        return UnknownModel(f"model {asked!r} not found", hint=f"there are: {shown}{more}")


def key_of(target: Target) -> str:
    """What the scheduler knows a target by; a tier and a model may have the same name."""
    return target.key


def only_embeds(name: str) -> bool:
    """Whether a model of this name is likely to be for embeddings alone."""
    return any(word in name.lower() for word in _EMBEDDERS)


def build_catalogue(
    backends: Collection[Served],
    tiers: Collection[TierRoute],
    aliases: Mapping[str, str] | None = None,
) -> Catalogue:
    """The catalogue of what ``backends`` have, and ``tiers`` and ``aliases`` say."""
    models = _model_targets(backends)
    versions = {tier.name: _versions(tier, backends) for tier in tiers if tier.versions}
    tier_targets = {
        tier.name: _together(tier.name, [each for each, _ in versions[tier.name]])
        if tier.versions
        else _tier_target(tier.name, None, tier.model, tier.backends, backends)
        for tier in tiers
    }
    every = [
        *(target for name, target in tier_targets.items() if name not in versions),
        *(target for group in versions.values() for target, _ in group),
        *models.values(),
    ]
    return Catalogue(
        tiers=tier_targets,
        models=models,
        descriptions=_descriptions(backends, tier_targets, aliases or {}),
        unreached=tuple(backend.name for backend in backends if backend.models is None),
        aliases=aliases or {},
        versions=versions,
        fallbacks={tier.name: tier.fallback for tier in tiers},
        troubles=tuple(f"{each.name}: {each.reason}" for each in backends if each.reason),
        _targets={target.key: target for target in every},
    )


def _model_targets(backends: Iterable[Served]) -> dict[str, Target]:
    known: dict[str, dict[str, Model]] = {}
    for backend in backends:
        for model in backend.models or ():
            known.setdefault(model.name, {})[backend.name] = model
    return {
        name: Target(name, None, dict.fromkeys(where, name), known=where)
        for name, where in known.items()
    }


def _descriptions(
    backends: Iterable[Served], tiers: Mapping[str, Target], aliases: Mapping[str, str]
) -> tuple[Model, ...]:
    """What lists show: models, then the tiers that are served, then aliases of either."""
    found: dict[str, Model] = {}
    for backend in backends:
        for model in backend.models or ():
            found.setdefault(model.name, model)
    for name, target in tiers.items():
        if target.models:
            found.setdefault(name, Model(name, owner="sutazai"))
    for alias, meant in aliases.items():
        if meant in found:
            found.setdefault(alias, Model(alias, owner="sutazai"))
    return tuple(found.values())


def _versions(tier: TierRoute, backends: Collection[Served]) -> tuple[tuple[Target, float], ...]:
    return tuple(
        (
            _tier_target(
                tier.name, each.name, each.model, each.backends or tier.backends, backends
            ),
            each.weight,
        )
        for each in tier.versions
    )


def _together(name: str, versions: Iterable[Target]) -> Target:
    """A tier of several versions, as lists show it."""
    models = {backend: model for each in versions for backend, model in each.models.items()}
    return Target(name, name, models)


def _tier_target(
    name: str,
    version: str | None,
    model: str | None,
    declared: tuple[str, ...],
    backends: Collection[Served],
) -> Target:
    where: dict[str, str | None] = {}
    known: dict[str, Model] = {}
    for backend in backends:
        if declared and backend.name not in declared:
            continue
        serves, found = _model_for(model, backend, is_named=backend.name in declared)
        if not serves:
            continue
        where[backend.name] = found
        for each in backend.models or ():
            if each.name == found:
                known[backend.name] = each
    return Target(name, name, where, version, known)


def _model_for(wanted: str | None, backend: Served, *, is_named: bool) -> tuple[bool, str | None]:
    """Whether ``backend`` serves a tier that wants ``wanted``, and by which model."""
    if backend.models is None:
        return True, wanted
    names = [model.name for model in backend.models]
    if wanted is None:
        first = next((name for name in names if not only_embeds(name)), None)
        first = first or next(iter(names), None)
        return first is not None, first
    if not names:
        return not backend.empty, wanted
    for name in (wanted, wanted.removesuffix(_LATEST), wanted + _LATEST):
        if name in names:
            return True, name
    if backend.fixed and is_named:  # its one model, by the name that the tier gives it
        return True, names[0]
    return False, None
