"""From the fleet to where the gateway sends calls. Pure; the revision is set when it is pushed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sutazai.control.source import LlmSource, Source
from sutazai.fleet.routes import BackendRoute, Door, Key, Routes, TierRoute
from sutazai.fleet.spec import Agent, Backend, Dialect, Fleet, Priority, Runtime, Tier

ADMIN = "@admin"
"""The name of the admin's own key; no agent can have it."""


def plan_routes(
    fleet: Fleet,
    source: LlmSource,
    *,
    keys: Mapping[str, str],
    token: str,
    llm_address: str,
    resolve: Callable[[str], str | None],
) -> Routes:
    """Backends, tiers, keys and doors.

    Args:
        keys: each agent's key.
        token: the admin's, which opens every door too.
        llm_address: where the embedded server listens, in `wire` form.
        resolve: the value of a reference to a secret, None where it cannot be had.
    """
    return Routes(
        revision=0,
        backends=_backends(fleet, source, llm_address, resolve),
        tiers=tuple(_tier(name, tier, source) for name, tier in fleet.tiers.items()),
        keys=(
            Key(name=ADMIN, secret=token, priority=Priority.HIGH, admin=True),
            *(_key(name, agent, keys) for name, agent in fleet.agents.items()),
        ),
        doors=tuple(_door(name, agent) for name, agent in fleet.agents.items()),
        keyless=fleet.gateway.keyless,
        queue_limit=fleet.gateway.queue.limit,
        queue_wait=fleet.gateway.queue.wait,
    )


def _backends(
    fleet: Fleet, source: LlmSource, llm_address: str, resolve: Callable[[str], str | None]
) -> tuple[BackendRoute, ...]:
    if source.kind is Source.DECLARED:
        return tuple(_declared(name, one, resolve) for name, one in fleet.backends.items())
    slots = fleet.llm.slots
    if source.kind is Source.OLLAMA:
        ollama = BackendRoute(
            name="ollama", address=source.address, dialect=Dialect.OLLAMA, slots=slots
        )
        return (ollama,)
    embedded = BackendRoute(
        name="embedded", address=llm_address, dialect=Dialect.OPENAI, slots=slots
    )
    return (embedded,)


def _declared(name: str, backend: Backend, resolve: Callable[[str], str | None]) -> BackendRoute:
    return BackendRoute(
        name=name,
        address=backend.url,
        dialect=backend.dialect,
        slots=backend.slots,
        weight=backend.weight,
        api_key=resolve(backend.api_key) if backend.api_key else None,
    )


def _tier(name: str, tier: Tier, source: LlmSource) -> TierRoute:
    """A tier that names what the source does not have takes what there is."""
    if source.kind is Source.DECLARED:
        return TierRoute(name=name, model=tier.model, backends=tier.backends)
    known = {_tagged(model) for model in source.models}
    has_it = tier.model is not None and _tagged(tier.model) in known
    return TierRoute(name=name, model=tier.model if has_it else None)


def _tagged(model: str) -> str:
    """Ollama's implicit tag: `x` is `x:latest`."""
    return model if ":" in model else f"{model}:latest"


def _key(name: str, agent: Agent, keys: Mapping[str, str]) -> Key:
    return Key(name=name, secret=keys[name], priority=agent.priority)


def _door(name: str, agent: Agent) -> Door:
    address = agent.url if agent.runtime is Runtime.REMOTE else None
    return Door(agent=name, port=agent.port, address=address)
