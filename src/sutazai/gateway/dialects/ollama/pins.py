"""Keeps callers from having a model loaded anew: what Ollama loads it with is not theirs to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sutazai.gateway.dialects.neutral import JsonObject

LOADING = frozenset(
    {
        "num_ctx",
        "num_batch",
        "num_gpu",
        "main_gpu",
        "num_thread",
        "numa",
        "low_vram",
        "f16_kv",
        "use_mmap",
        "use_mlock",
    }
)
"""The options for which Ollama loads a model again where they differ."""


def pin(body: JsonObject, options: JsonObject, keep_alive: float | None) -> JsonObject:
    """``body`` with ``options`` in the place of all that a caller says of loading, and with
    ``keep_alive`` (seconds; negative for ever) in the place of the caller's where there is one.

    ``body`` itself where that changes nothing.
    """
    given = body.get("options")
    asked: JsonObject = given if isinstance(given, Mapping) else {}
    wanted = {name: value for name, value in asked.items() if name not in LOADING}
    wanted.update(options)
    changed: dict[str, Any] = {}
    if wanted != asked:
        changed["options"] = wanted
    if keep_alive is not None and body.get("keep_alive") != keep_alive:
        changed["keep_alive"] = keep_alive
    return {**body, **changed} if changed else body
