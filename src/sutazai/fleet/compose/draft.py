"""A fleet file in the making: what it declares, with remarks for whoever reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One agent, service or backend: its keys in their order, and remarks below them."""

    name: str
    keys: dict[str, Any]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """A whole fleet file. ``remarks`` stand at its head."""

    name: str
    remarks: tuple[str, ...] = ()
    backends: list[Entry] = field(default_factory=list)
    agents: list[Entry] = field(default_factory=list)
    services: list[Entry] = field(default_factory=list)
