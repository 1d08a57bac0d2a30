"""What LLM servers really have: digests of models, and settings that are not as declared."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from sutazai.fleet.declared import Dialect
from sutazai.fleet.drift import BackendHeld, BackendSetting
from sutazai.gateway.backends.registry import Backends
from sutazai.gateway.backends.settings import differences
from sutazai.gateway.backends.state import BackendState
from sutazai.wire import Client


async def held(client: Client, backends: Backends) -> list[BackendHeld]:
    """All servers as they are now. Only Ollama tells digests, so it alone is asked anew."""
    await backends.look(
        state.route.name for state in backends.states if state.route.dialect is Dialect.OLLAMA
    )
    return list(await asyncio.gather(*(_held(client, state) for state in backends.states)))


async def _held(client: Client, state: BackendState) -> BackendHeld:
    settings = [
        BackendSetting(name=each.name, wanted=each.wanted, actual=each.actual)
        for each in await differences(client, state)
    ]
    return BackendHeld(
        name=state.route.name,
        available=state.available,
        digests=dict(_digests(state)) if state.available else {},
        settings=(*settings, *_slots(state)),
    )


def _digests(state: BackendState) -> Iterator[tuple[str, str]]:
    for model in state.models or ():
        digest = (model.entry or {}).get("digest")
        if isinstance(digest, str) and digest:
            yield model.name, digest


def _slots(state: BackendState) -> Iterator[BackendSetting]:
    """llama.cpp's server tells how many it was started with."""
    declared, told = state.route.slots, state.told_slots
    if state.available and declared and told and declared != told:
        yield BackendSetting(name="slots", wanted=str(declared), actual=str(told))
