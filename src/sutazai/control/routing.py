"""From the fleet to where the gateway sends calls. Pure; the revision is set when it is pushed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sutazai.control.managed import pins_of
from sutazai.control.rollouts.arms import NO_ARMS, Arms, DoorShare
from sutazai.control.source import LlmSource, Source
from sutazai.fleet.declared import Dialect, Priority
from sutazai.fleet.hierarchy import Hierarchy
from sutazai.fleet.messaging import BusSpec
from sutazai.fleet.routes import (
    BackendRoute,
    Door,
    Key,
    Routes,
    TierRoute,
    VersionRoute,
)
from sutazai.fleet.serving import Backend, Client, Entra, Tier
from sutazai.fleet.spec import Agent, Fleet, Runtime

ADMIN = "@admin"
"""The name of the admin's own key; no agent can have it."""

CHECK_EVERY = 60.0
"""Seconds without a call after which the embedded server is asked for a token."""


def plan_routes(
    fleet: Fleet,
    source: LlmSource,
    *,
    keys: Mapping[str, str],
    token: str,
    llm_address: str,
    resolve: Callable[[str], str | None],
    arms: Arms = NO_ARMS,
) -> Routes:
    """Backends, tiers, keys and doors.

    Args:
        keys: each agent's key.
        token: the admin's, which opens every door too.
        llm_address: where the embedded server listens, in `wire` form.
        resolve: the value of a reference to a secret, None where it cannot be had.
        arms: how doors of agents that move share their calls out.
    """
    gateway = fleet.gateway
    return Routes(
        revision=0,
        backends=_backends(fleet, source, llm_address, resolve),
        tiers=tuple(_tier(name, tier, source) for name, tier in fleet.tiers.items()),
        keys=(
            Key(name=ADMIN, secret=token, priority=Priority.HIGH, admin=True),
            *(_agent_key(name, agent, keys[name]) for name, agent in fleet.agents.items()),
            *_client_keys(fleet.clients, resolve),
        ),
        doors=tuple(_door(name, agent, arms) for name, agent in fleet.agents.items()),
        keyless=gateway.keyless,
        queue=gateway.queue,
        cache=gateway.cache,
        record=gateway.record,
        aliases=gateway.aliases,
        auto=gateway.auto,
        repeats=gateway.repeats,
        run_budget=gateway.run_budget,
        members=Hierarchy.of(fleet).members,
        topics=_topics(fleet),
        messages=fleet.messages,
        bus=_bus(fleet.bus, resolve),
    )


def _topics(fleet: Fleet) -> dict[str, tuple[str, ...]]:
    names = {topic for agent in fleet.agents.values() for topic in agent.topics}
    return {
        topic: tuple(name for name, agent in fleet.agents.items() if topic in agent.topics)
        for topic in sorted(names)
    }


def _bus(bus: BusSpec, resolve: Callable[[str], str | None]) -> BusSpec:
    return bus.model_copy(update={"url": resolve(bus.url) or bus.url}) if bus.url else bus


def _backends(
    fleet: Fleet, source: LlmSource, llm_address: str, resolve: Callable[[str], str | None]
) -> tuple[BackendRoute, ...]:
    if source.kind is Source.DECLARED:
        return tuple(_declared(name, one, resolve) for name, one in fleet.backends.items())
    if source.kind is Source.OLLAMA:
        return (BackendRoute(name="ollama", address=source.address, dialect=Dialect.OLLAMA),)
    embedded = BackendRoute(
        name="embedded",
        address=llm_address,
        dialect=Dialect.OPENAI,
        slots=fleet.llm.slots,
        check=CHECK_EVERY,
        embedded=True,
    )
    return (embedded,)


def _declared(name: str, backend: Backend, resolve: Callable[[str], str | None]) -> BackendRoute:
    managed = backend.managed
    return BackendRoute(
        name=name,
        address=backend.url,
        dialect=backend.dialect,
        slots=backend.slots or (managed and managed.parallel),
        weight=backend.weight,
        api_key=resolve(backend.api_key) if backend.api_key else None,
        api_version=backend.api_version,
        entra=_entra(backend.entra, resolve),
        ca=backend.ca,
        models=pins_of(backend),
        loaded_models=backend.loaded_models or (managed and managed.loaded_models),
        timeouts=backend.timeouts,
        check=backend.check,
    )


def _entra(entra: Entra | None, resolve: Callable[[str], str | None]) -> Entra | None:
    return entra and entra.model_copy(update={"secret": resolve(entra.secret) or ""})


def _tier(name: str, tier: Tier, source: LlmSource) -> TierRoute:
    """A tier that names what the source does not have takes what there is."""
    if source.kind is Source.DECLARED:
        return TierRoute(
            name=name,
            model=tier.model,
            backends=tier.backends,
            versions=tuple(
                VersionRoute(
                    name=version,
                    model=one.model,
                    backends=one.backends or tier.backends,
                    weight=one.weight,
                )
                for version, one in tier.versions.items()
            ),
            fallback=tier.fallback,
        )
    known = {_tagged(model) for model in source.models}
    has_it = tier.model is not None and _tagged(tier.model) in known
    return TierRoute(name=name, model=tier.model if has_it else None, fallback=tier.fallback)


def _tagged(model: str) -> str:
    """Ollama's implicit tag: `x` is `x:latest`."""
    return model if ":" in model else f"{model}:latest"


def _agent_key(name: str, agent: Agent, secret: str) -> Key:
    return Key(
        name=name,
        secret=secret,
        group=agent.group,
        priority=agent.priority,
        agent=True,
        tiers=agent.tiers,
        context=agent.context,
        budget=agent.budget,
        task_budget=agent.task_budget,
    )


def _client_keys(
    clients: Mapping[str, Client], resolve: Callable[[str], str | None]
) -> Iterator[Key]:
    """Those whose secret can be had; what is missing is told by `resolve`."""
    for name, client in clients.items():
        secret = resolve(client.secret)
        if secret:
            yield Key(
                name=name,
                secret=secret,
                priority=client.priority,
                admin=client.admin,
                tiers=client.tiers,
                context=client.context,
                budget=client.budget,
            )


def _door(name: str, agent: Agent, arms: Arms) -> Door:
    address = agent.url if agent.runtime is Runtime.REMOTE else None
    share = arms.doors.get(name, DoorShare())
    return Door(
        agent=name,
        port=agent.port,
        address=address,
        balance=agent.balance,
        weights=share.weights,
        wakes=share.wakes,
        loyal=share.loyal,
    )
