"""Ollama's descriptions of models."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects.neutral import JsonObject, Model
from sutazai.gateway.dialects.ollama.answers import timestamp
from sutazai.gateway.dialects.streams import count, text


def parse(value: Any) -> tuple[Model, ...]:
    """The models of a backend, by its ``/api/tags``. Raises BadPeer."""
    listed = value.get("models") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        raise BadPeer("the backend's list of models is no list")
    return tuple(_model(entry) for entry in listed if isinstance(entry, dict) and _name(entry))


def _name(entry: JsonObject) -> str:
    return text(entry.get("name")) or text(entry.get("model"))


def _model(entry: JsonObject) -> Model:
    return Model(
        name=_name(entry),
        owner="ollama",
        created=_seconds(entry.get("modified_at")),
        size=count(entry.get("size")),
        entry=entry,
    )


def _seconds(moment: Any) -> float:
    try:
        return max(datetime.fromisoformat(text(moment)).timestamp(), 0.0)
    except (ValueError, OverflowError):
        return 0.0


def render(models: Sequence[Model]) -> dict[str, Any]:
    """The list as a client expects it."""
    return {"models": [_entry(model) for model in models]}


def render_running(models: Sequence[Model], until: float) -> dict[str, Any]:
    """The models in memory; ``until`` when they are to leave it, in seconds since 1970."""
    expiry = {"expires_at": timestamp(until)}
    return {
        "models": [
            {**_entry(model), "size_vram": 0, "context_length": model.context, **expiry}
            for model in models
        ]
    }


def render_show(model: Model) -> dict[str, Any]:
    """What is known of a model whose backend is no Ollama."""
    family = {"general.architecture": "unknown", "general.parameter_count": model.parameters}
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "modified_at": timestamp(model.created),
        "details": _details(model),
        "model_info": {**family, "unknown.context_length": model.context},
        "capabilities": ["completion", "tools"],
    }


def _entry(model: Model) -> JsonObject:
    if model.entry is not None:
        return model.entry
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": timestamp(model.created),
        "size": model.size,
        "digest": hashlib.sha256(model.name.encode()).hexdigest(),
        "details": _details(model),
    }


def _details(model: Model) -> dict[str, Any]:
    size = f"{model.parameters / 1e6:.0f}M" if model.parameters else ""
    return {
        "parent_model": "",
        "format": "gguf",
        "family": "",
        "families": None,
        "parameter_size": size,
        "quantization_level": "",
    }
