"""Whether an Ollama has the settings that the fleet counts on, whoever started it.

What it was started with stands in its process's environment, which only its own user may read;
what it tells over its API, anybody may ask. What cannot be known is no difference.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.ports import local_port
from sutazai.fleet.routes import BackendRoute, PinnedRoute
from sutazai.fleet.units import format_duration
from sutazai.gateway.backends.pins import EVERY_MODEL, pin_of
from sutazai.gateway.backends.state import BackendState
from sutazai.gateway.sockets import (
    PROC,
    State,
    environment_of,
    holders,
    process_ids,
    read_sockets,
)
from sutazai.wire import Client, Timeout

TELLS_CONTEXT = (0, 10, 0)
"""The first version of Ollama that tells the context of loaded models."""

UNSET = "not set: Ollama's choice"

_NO_PIN = PinnedRoute()
_TIMEOUT = Timeout(connect=2.0, headers=5.0, idle=5.0)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Observed:
    """What is known of one Ollama.

    Args:
        version: as it tells it, empty where it does not.
        environment: of its process; None where that may not be read.
        contexts: tokens of context by loaded model.
        longest: the most that a model can have, by model, as far as that is known.
    """

    version: str = ""
    environment: Mapping[str, str] | None = None
    contexts: Mapping[str, int] = field(default_factory=dict)
    longest: Mapping[str, int] = field(default_factory=dict)

    @property
    def parallel(self) -> int | None:
        """The generations at once that it was told (OLLAMA_NUM_PARALLEL), if that is known."""
        return _count((self.environment or {}).get("OLLAMA_NUM_PARALLEL", ""))


@dataclass(frozen=True)
class Difference:
    """A setting that is not as it should be; both in words."""

    name: str
    wanted: str
    actual: str


def compare(route: BackendRoute, observed: Observed) -> tuple[Difference, ...]:
    """What ``route`` counts on and ``observed`` has otherwise. Pure."""
    started = _started(route, observed.environment) if observed.environment is not None else ()
    return (*started, *_loaded(route, observed), *_version(route, observed.version))


async def differences(client: Client, state: BackendState) -> tuple[Difference, ...]:
    """What a backend has otherwise than it should; nothing of one that is away or no Ollama."""
    if not state.available or state.route.dialect is not Dialect.OLLAMA:
        return ()
    return compare(state.route, await observe(client, state))


async def observe(client: Client, state: BackendState, proc: Path = PROC) -> Observed:
    """What is known of an Ollama, after a look at `/proc` in a thread and one question to it."""
    environment, version = await asyncio.gather(
        asyncio.to_thread(listener_environment, local_port(state.route.address), proc),
        _version_of(client, state),
    )
    contexts = {name: context for name, context in (state.loaded or {}).items() if context}
    longest = {model.name: model.context for model in state.models or () if model.context}
    return Observed(version, environment, contexts, longest)


def listener_environment(port: int | None, proc: Path = PROC) -> dict[str, str] | None:
    """The environment of the process that listens on ``port`` of this machine; None where there is
    none, or it may not be read. Blocks."""
    sockets = read_sockets([port], proc) if port else []
    inodes = {
        each.inode for each in sockets if each.state is State.LISTENING and each.local[1] == port
    }
    owners = holders(inodes, process_ids(proc), proc) if inodes else {}
    return environment_of(min(owners.values()), proc) if owners else None


def _started(route: BackendRoute, environment: Mapping[str, str]) -> Iterator[Difference]:
    pin = route.models.get(EVERY_MODEL, _NO_PIN)
    for name, wanted in (
        ("OLLAMA_NUM_PARALLEL", route.slots),
        ("OLLAMA_MAX_LOADED_MODELS", route.loaded_models),
        ("OLLAMA_CONTEXT_LENGTH", pin.context),
    ):
        actual = environment.get(name, "")
        if wanted is not None and _count(actual) != wanted:
            yield Difference(name, str(wanted), actual or UNSET)
    keep_alive = environment.get("OLLAMA_KEEP_ALIVE", "")
    if pin.keep_alive is not None and _duration(keep_alive) != pin.keep_alive:
        wanted_for = format_duration(pin.keep_alive)
        yield Difference("OLLAMA_KEEP_ALIVE", wanted_for, keep_alive or UNSET)


def _loaded(route: BackendRoute, observed: Observed) -> Iterator[Difference]:
    for model, actual in observed.contexts.items():
        wanted = (pin_of(route.models, model) or _NO_PIN).context
        if wanted is not None and actual != min(wanted, observed.longest.get(model, wanted)):
            yield Difference(f"context of {model}", str(wanted), str(actual))


def _version(route: BackendRoute, version: str) -> Iterator[Difference]:
    """Too old a version only where something is then not to be seen."""
    match = _VERSION.match(version)
    if match is None or all(pin.context is None for pin in route.models.values()):
        return
    if tuple(map(int, match.groups())) < TELLS_CONTEXT:
        wanted = f"{'.'.join(map(str, TELLS_CONTEXT))}, which tells the context of loaded models"
        yield Difference("version", wanted, version)


def _count(text: str) -> int | None:
    """A positive number; Ollama takes 0 and what is no number for its own choice."""
    bare = text.strip(" \"'")
    return int(bare) or None if bare.isdecimal() else None


def _duration(text: str) -> float | None:
    """Seconds, from seconds or what Go writes as `1h30m0s`."""
    bare = text.strip(" \"'")
    if bare.isdecimal():
        return float(bare)
    if not _DURATION.fullmatch(bare):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(bare))


async def _version_of(client: Client, state: BackendState) -> str:
    """The version that it tells, empty where it does not answer."""
    target = state.target("/api/version")
    try:
        value = await client.call(
            "GET", state.address, target, headers=state.headers, timeout=_TIMEOUT
        )
    except SutazaiError:
        return ""
    version = value.get("version") if isinstance(value, dict) else None
    return version if isinstance(version, str) else ""
