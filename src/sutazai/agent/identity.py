"""What an instance is told at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the model is asked where the agent does not say it itself."""

    temperature: float = 0.4
    max_tokens: int = 512


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who an instance is and whom it may call.

    ``gateway`` is the address of the gateway's socket for instances in `wire` form, ``key`` what
    identifies the agent there. ``logs`` says how it writes them, `console` or `json`. ``options``
    is the author's own part of the fleet file.
    """

    agent: str
    instance: str
    version: str = ""
    entry: str = "sutazai.agent.role:RoleAgent"
    prompt: str = ""
    tier: str = "standard"
    sampling: Sampling = field(default_factory=Sampling)
    concurrency: int = 4
    gateway: str = ""
    key: str = ""
    logs: str = "console"
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_options(
        cls, options: Mapping[str, Any], *, instance: str, entry: str | None, key: str
    ) -> Identity:
        """The identity that control described in a desired unit's ``options``."""
        known = {"agent", "version", "prompt", "tier", "concurrency", "gateway", "logs", "options"}
        given = {name: value for name, value in options.items() if name in known}
        sampling = Sampling(**options.get("sampling", {}))
        if entry is not None:
            given["entry"] = entry
        return cls(instance=instance, key=key, sampling=sampling, **given)
