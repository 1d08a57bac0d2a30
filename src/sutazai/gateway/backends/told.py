"""What servers tell beside their list of models, read from their JSON. Pure, and never raises:
whatever is not as expected is not told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sutazai.gateway.dialects.neutral import Model

LLAMACPP = "llamacpp"
"""The owner that llama.cpp's server gives for its models."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in an Ollama's memory: with how many tokens of context (nought where that is not
    told), until when, in seconds since 1970; its bytes, and those of them in a GPU's memory."""

    name: str
    context: int
    until: float
    size: int = 0
    on_gpu: int = 0

    @property
    def is_split(self) -> bool:
        """Whether a part of it did not fit into the GPU. Where none of it is there, there is none,
        or another program has all of it."""
        return 0 < self.on_gpu < self.size


@dataclass(frozen=True, slots=True)
class Props:
    """How a llama.cpp server was started; nought where it does not tell."""

    slots: int = 0
    context: int = 0


def read_loaded(value: Any) -> tuple[Loaded, ...]:
    """The answer to Ollama's ``/api/ps``."""
    listed = value.get("models") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return ()
    return tuple(
        Loaded(
            name,
            _count(entry.get("context_length")),
            _moment(entry.get("expires_at")),
            _count(entry.get("size")),
            _count(entry.get("size_vram")),
        )
        for entry in listed
        if isinstance(entry, dict) and isinstance(name := entry.get("name"), str) and name
    )


def read_trained(value: Any) -> int:
    """Tokens of context that a model was trained with, from Ollama's ``/api/show``."""
    info = value.get("model_info") if isinstance(value, dict) else None
    if not isinstance(info, dict):
        return 0
    found = (_count(info[name]) for name in info if str(name).endswith(".context_length"))
    return max(found, default=0)


def read_props(value: Any) -> Props:
    """The answer to llama.cpp's ``/props``; its context is of one slot."""
    if not isinstance(value, dict):
        return Props()
    settings = value.get("default_generation_settings")
    context = settings.get("n_ctx") if isinstance(settings, dict) else 0
    return Props(_count(value.get("total_slots")), _count(context))


def digest_of(model: Model) -> str:
    """What changes when another model goes by the same name, as far as the server tells."""
    entry = model.entry or {}
    digest = entry.get("digest")
    if isinstance(digest, str) and digest:
        return digest
    return f"{model.size}-{model.parameters}"


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return max(int(value), 0) if value == value and abs(value) < 2**53 else 0


def _moment(value: Any) -> float:
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
