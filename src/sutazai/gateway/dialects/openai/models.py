"""OpenAI's list of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects.neutral import JsonObject, Model
from sutazai.gateway.dialects.streams import count, text

_LATEST = 2**33
"""The latest time of making that is believed; what is beyond it could not be written as a date."""


def parse(value: Any) -> tuple[Model, ...]:
    """The models of a backend, by its ``/v1/models``. Raises BadPeer."""
    listed = value.get("data") if isinstance(value, dict) else value
    if not isinstance(listed, list):
        raise BadPeer("the backend's list of models is no list")
    return tuple(_model(entry) for entry in listed if isinstance(entry, dict) and entry.get("id"))


def _model(entry: JsonObject) -> Model:
    meta = entry.get("meta")  # llama.cpp's
    meta = meta if isinstance(meta, dict) else {}
    return Model(
        name=str(entry["id"]),
        owner=text(entry.get("owned_by")),
        created=min(max(count(entry.get("created")), 0), _LATEST),
        size=count(meta.get("size")),
        parameters=count(meta.get("n_params")),
        context=count(meta.get("n_ctx")) or count(entry.get("max_model_len")),
    )


def render(models: Sequence[Model]) -> dict[str, Any]:
    """The list as a client expects it."""
    return {"object": "list", "data": [model_body(model) for model in models]}


def model_body(model: Model) -> dict[str, Any]:
    """One model as a client expects it."""
    owner = model.owner or "unknown"
    created = int(model.created)
    return {"id": model.name, "object": "model", "created": created, "owned_by": owner}
