"""How a model is loaded, whoever asks for it: no caller can have it loaded anew. Pure.

Ollama loads a model again, for everybody, when one call differs from how it is loaded: in the
length of its context, its threads, its batch, what of it is on the GPU. Calls for a model that is
declared carry what is declared, and none of their own of that kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sutazai.fleet.routes import PinnedRoute

LOADING = frozenset(
    {
        "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "use_mlock",
        "low_vram", "numa", "f16_kv", "vocab_only", "rope_frequency_base", "rope_frequency_scale",
    }
)  # fmt: skip
"""Options of Ollama that a model is loaded with."""

EVERY_MODEL = "*"
"""Stands in `BackendRoute.models` for every model that is not named there."""

_LATEST = ":latest"


def pin_of(pins: Mapping[str, PinnedRoute], model: str) -> PinnedRoute | None:
    """What is declared of ``model``; Ollama's implicit tag holds."""
    if not pins:
        return None
    bare = model.removesuffix(_LATEST)
    return pins.get(model) or pins.get(bare) or pins.get(bare + _LATEST) or pins.get(EVERY_MODEL)


def pinned(pin: PinnedRoute, body: Mapping[str, Any]) -> dict[str, Any]:
    """``body`` of a call to Ollama, with what is declared in the place of what it says itself."""
    said = body.get("options")
    options = {
        name: value
        for name, value in (said.items() if isinstance(said, dict) else ())
        if name not in LOADING
    }
    options.update(pin.options)
    if pin.context is not None:
        options["num_ctx"] = pin.context
    result = {**body, "options": options}
    if pin.keep_alive is not None:
        result["keep_alive"] = f"{pin.keep_alive:g}s"
    return result
