"""Where the fleet's model comes from, and when that is looked at again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from sutazai.fleet.spec import Fleet

PATIENCE = 20.0
"""Seconds without any available backend before another source is looked for."""


class Source(StrEnum):
    """Who serves the model; the names are those of ``LlmStatus.source``."""

    DECLARED = "declared"
    OLLAMA = "ollama"
    EMBEDDED = "embedded"


@dataclass(frozen=True)
class LlmSource:
    """The decision; ``address`` and ``models`` are those of an Ollama that was found."""

    kind: Source
    address: str = ""
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Availability:
    """Since when no backend has been available, and when a source was last looked for."""

    lacking_since: float | None = None
    looked: float = 0.0


def decide(fleet: Fleet, ollama: LlmSource | None) -> LlmSource:
    """Declared backends, else an Ollama with a model, else the embedded server."""
    if fleet.backends:
        return LlmSource(Source.DECLARED)
    if ollama is not None and ollama.models:
        return ollama
    return LlmSource(Source.EMBEDDED)


def observe(before: Availability, available: bool, now: float) -> tuple[Availability, bool]:
    """What is known now, and whether to look for a source again."""
    if available:
        return replace(before, lacking_since=None), False
    since = before.lacking_since if before.lacking_since is not None else now
    due = now - since >= PATIENCE and now - before.looked >= PATIENCE
    return Availability(since, now if due else before.looked), due
