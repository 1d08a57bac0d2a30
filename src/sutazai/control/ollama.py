"""Looks for an Ollama on this machine, and remembers the decision for one start of the fleet."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from sutazai.control.source import LlmSource, Source, decide
from sutazai.fleet.ports import local_port
from sutazai.fleet.spec import Fleet
from sutazai.llm.detect import detect_ollama
from sutazai.wire import Address, Client


class SourceChooser:
    """Decides where the model comes from.

    Args:
        file: where the decision is kept, so that a new control does not decide otherwise while
            the fleet runs.
        started: when this fleet was started; a decision of another start is forgotten.
        gateway: the port of our own gateway, which speaks Ollama's language too.
    """

    def __init__(
        self, fleet: Fleet, client: Client, file: Path, *, started: float, gateway: int
    ) -> None:
        self._gateway = gateway
        self._fleet = fleet
        self._client = client
        self._file = file
        self._started = started

    async def choose(self) -> LlmSource:
        """The decision of this start, made now if there is none."""
        return self._remembered() or await self.choose_again()

    async def choose_again(self) -> LlmSource:
        """A new decision."""
        source = decide(self._fleet, await self._ollama())
        self._remember(source)
        return source

    async def _ollama(self) -> LlmSource | None:
        if self._fleet.backends or not self._fleet.llm.detect_ollama:
            return None
        found = await detect_ollama(self._client)
        if found is None or self._is_our_gateway(found.address):
            return None
        return LlmSource(Source.OLLAMA, str(found.address), tuple(found.models))

    def _is_our_gateway(self, address: Address) -> bool:
        """Whether ``OLLAMA_HOST`` points at us: calls would go round in a circle."""
        return local_port(str(address)) == self._gateway

    def _remembered(self) -> LlmSource | None:
        try:
            value = json.loads(self._file.read_bytes())
            if value.pop("started") != self._started:
                return None
            kind = Source(value["kind"])
            source = LlmSource(kind, str(value["address"]), tuple(value["models"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # not there, or cut by a crash: decide anew
        declared = bool(self._fleet.backends)
        return source if declared == (kind is Source.DECLARED) else None

    def _remember(self, source: LlmSource) -> None:
        fresh = self._file.with_name(f".{self._file.name}.new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as writer:
            json.dump({"started": self._started, **asdict(source)}, writer)
        fresh.replace(self._file)
