"""Models by provider as backends and tiers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sutazai.fleet.agents_config.source import Source
from sutazai.fleet.compose.draft import Entry
from sutazai.fleet.compose.names import fleet_name
from sutazai.fleet.positions import Path, shown

OLLAMA = "ollama"
USUAL_OLLAMA = "http://127.0.0.1:11434"
USUAL = {
    "github": "https://models.github.ai/inference",
    "openai": "https://api.openai.com/v1",
}
"""Where providers are that name no endpoint."""
AZURE = "https://RESOURCE.openai.azure.com/openai/deployments/DEPLOYMENT"
AZURE_VERSION = "2024-10-21"
STANDARD = "standard"
_SETTINGS = (
    "context", "temperature", "parallel", "endpoint", "tokenEnv", "endpointEnv", "deploymentEnv",
)  # fmt: skip


@dataclass(frozen=True)
class Model:
    """One model of one provider, with what was said of it."""

    name: str
    provider: str
    path: Path
    said: dict[str, Any]


@dataclass
class Models:
    """All of them as they stand in the fleet file. ``tiers`` are tiers by model."""

    all: list[Model]
    backends: list[Entry] = field(default_factory=list)
    tiers: list[Entry] = field(default_factory=list)
    tier_of: dict[str, str] = field(default_factory=dict)
    variables: set[str] = field(default_factory=set)

    def temperature(self, model: str | None) -> float | None:
        """How a model was sampled."""
        found = (one.said.get("temperature") for one in self.all if one.name == model)
        return next((value for value in found if isinstance(value, int | float)), None)


def models_of(source: Source) -> Models:
    """The models, with a tier for each; `standard` is the default one's."""
    models = Models(list(_listed(source)))
    for provider in dict.fromkeys(model.provider for model in models.all):
        models.backends.append(_backend(provider, models, source))
    default = source.part("runtime").get("defaultModel")
    names = list(dict.fromkeys(model.name for model in models.all))
    if isinstance(default, str) and default not in names:
        path = ("runtime", "defaultModel")
        source.findings.note(path, f"`models` has no `{shown(default)}`: any model is asked")
    first = default if default in names else next(iter(names), None)
    for name in names:
        models.tier_of[name] = STANDARD if name == first else fleet_name(name, otherwise="model")
    models.tiers = [_tier(name, models, source) for name in names]
    return models


def _listed(source: Source) -> Iterator[Model]:
    for provider, body in source.part("models").items():
        path: Path = ("models", provider)
        shared = body if isinstance(body, dict) else {}
        inner = shared.get("models", body)
        path = (*path, "models") if inner is not body else path
        common = {key: shared[key] for key in _SETTINGS if key in shared}
        found = list(_each(inner))
        if not found:
            source.findings.note(path, "this provider is left out: it lists no models")
        for key, name, said in found:
            yield Model(name, provider, (*path, key), {**common, **said})


def _each(models: Any) -> Iterator[tuple[str | int, str, dict[str, Any]]]:
    """Models by name, or in a list as texts or as objects with a name."""
    pairs: Any = models.items() if isinstance(models, dict) else ()
    if isinstance(models, list):
        pairs = enumerate(models)
    for key, value in pairs:
        said = value if isinstance(value, dict) else {}
        name = (
            said.get("name")
            or said.get("id")
            or said.get("model")
            or (value if isinstance(value, str) and isinstance(key, int) else key)
        )
        if isinstance(name, str) and (isinstance(value, dict) or isinstance(key, int)):
            yield key, name, said


def _backend(provider: str, models: Models, source: Source) -> Entry:
    own = [model for model in models.all if model.provider == provider]
    name = fleet_name(provider, otherwise="backend")
    if provider == OLLAMA:
        return Entry(name, _ollama(own, source))
    said = {key: value for model in own for key, value in model.said.items()}
    keys: dict[str, Any] = {"url": said.get("endpoint") or USUAL.get(provider)}
    if "deploymentEnv" in said or "azure" in provider:
        keys = {"url": said.get("endpoint") or AZURE, "api_version": AZURE_VERSION}
    if said.get("endpointEnv") or said.get("deploymentEnv") or keys["url"] is None:
        hint = "write the address into the fleet file; it is no secret"
        variables = [str(said[key]) for key in ("endpointEnv", "deploymentEnv") if said.get(key)]
        known = f"what stood in {' and '.join(variables)}" if variables else "its endpoint"
        source.findings.note(own[0].path[:2], f"`url` of backend `{name}` needs {known}", hint)
        keys["url"] = keys["url"] or "https://ENDPOINT/v1"
    if token := said.get("tokenEnv"):
        keys["api_key"] = f"${{{token}}}"
        models.variables.add(str(token))
    return Entry(name, keys)


def _ollama(models: list[Model], source: Source) -> dict[str, Any]:
    settings = source.part("runtime").get("ollama")
    host = settings.get("host") if isinstance(settings, dict) else settings
    host = host if isinstance(host, str) and host else USUAL_OLLAMA
    parallel = [_whole(model.said.get("parallel")) for model in models]
    contexts = {model.name: _whole(model.said.get("context")) for model in models}
    keys: dict[str, Any] = {
        "url": host if "://" in host else f"http://{host}",
        "dialect": OLLAMA,
        "slots": max(parallel, default=0) or None,
        "models": {name: {"context": size} for name, size in contexts.items() if size >= 256},
    }
    return {key: value for key, value in keys.items() if value}


def _tier(name: str, models: Models, source: Source) -> Entry:
    providers = [model.provider for model in models.all if model.name == name]
    backends = [fleet_name(one, otherwise="backend") for one in dict.fromkeys(providers)]
    keys: dict[str, Any] = {"model": name, "backends": backends}
    fallback = source.part("runtime").get("fallbackProviders")
    first = [
        next((model.name for model in models.all if model.provider == provider), None)
        for provider in (fallback if isinstance(fallback, list) else ())
        if provider not in providers
    ]
    if others := [models.tier_of[one] for one in first if one is not None]:
        keys["fallback"] = others
    return Entry(models.tier_of[name], keys)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
