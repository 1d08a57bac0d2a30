"""What the fleet does now, put together from what host and gateway say."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sutazai.control.peers import GatewayPeer, HostPeer
from sutazai.control.reconciler import Reconciler
from sutazai.control.settings import Settings
from sutazai.control.source import LlmSource
from sutazai.fleet.desired import Kind
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.spec import Agent, Temperature
from sutazai.fleet.status import (
    AgentStatus,
    FleetStatus,
    HostStatus,
    IsolationStatus,
    LlmStatus,
    PoolTotals,
    PressureStatus,
    State,
    UnitStatus,
)
from sutazai.gateway.stats import GatewayStats

WELL = (State.HEALTHY, State.EXTERNAL)
TOLD_MAX = 10
"""Most failed units that are named as problems."""


@dataclass(frozen=True)
class Seen:
    """What was seen of both peers at one moment; None where a peer did not answer."""

    host: HostStatus | None
    gateway: GatewayStats | None
    problems: tuple[str, ...] = ()


class StatusReader:
    """Asks both peers; one that does not answer is a problem that is told, not an error."""

    def __init__(
        self,
        settings: Settings,
        reconciler: Reconciler,
        host: HostPeer,
        gateway: GatewayPeer,
        *,
        revision: int,
    ) -> None:
        self._settings = settings
        self._reconciler = reconciler
        self._host = host
        self._gateway = gateway
        self._revision = revision
        self._last: HostStatus | None = None

    async def read(self, *, memory: bool = False) -> FleetStatus:
        """The whole fleet; ``memory`` measures every instance."""
        host, gateway = await asyncio.gather(
            self._host.status(memory=memory), self._gateway.stats(), return_exceptions=True
        )
        problems = [*self._reconciler.problems]
        for peer, answer in ((self._host, host), (self._gateway, gateway)):
            if isinstance(answer, SutazaiError):
                problems.append(f"the {peer.name} does not answer: {answer.message}")
            elif isinstance(answer, BaseException):
                raise answer
        if isinstance(host, HostStatus):
            self._last = host
        seen = Seen(
            self._last,
            gateway if isinstance(gateway, GatewayStats) else None,
            tuple(problems),
        )
        return compose(self._settings, self._revision, self._reconciler.source, seen)


def compose(settings: Settings, revision: int, source: LlmSource, seen: Seen) -> FleetStatus:
    """The status of the fleet. Pure."""
    units = {unit.name: unit for unit in seen.host.units} if seen.host else {}
    arms = _arms(units.values())
    agents = tuple(
        _agent(name, agent, _whole(units.get(name), arms[name]), settings.config.started)
        for name, agent in settings.fleet.agents.items()
    )
    ports = settings.config.ports
    gateway = ports.url(ports.gateway)
    return FleetStatus(
        fleet=settings.fleet.name,
        revision=revision,
        started=settings.config.started,
        state=str(settings.places.state),
        urls={
            "control": ports.url(ports.control),
            "gateway": gateway,
            "openai": f"{gateway}/v1",
            "ollama": gateway,
        },
        agents=agents,
        services=_of_kind(units, Kind.SERVICE),
        planes=_of_kind(units, Kind.PLANE),
        pools=_pools(agents),
        llm=_llm(source, seen.gateway),
        limits=seen.host.limits if seen.host else "",
        limits_why=seen.host.limits_why if seen.host else "",
        throttle=seen.host.throttle if seen.host else None,
        pressure=seen.host.pressure if seen.host else PressureStatus(),
        isolation=seen.host.isolation if seen.host else IsolationStatus(),
        problems=(*seen.problems, *_problems(units.values(), seen.gateway)),
    )


def _agent(name: str, agent: Agent, unit: UnitStatus | None, started: float) -> AgentStatus:
    facts = {
        "description": agent.description,
        "group": agent.group,
        "rank": agent.rank.value,
        "lead": agent.lead,
        "tier": agent.tier,
        "priority": agent.priority.value,
        "port": agent.port,
    }
    known = unit or UnitStatus(
        name=name,
        kind=Kind.AGENT,
        runtime=agent.runtime,
        temperature=agent.temperature,
        state=State.WAITING,
        reason="the host has not said anything of it yet",
        since=started,
    )
    fields = {field: getattr(known, field) for field in UnitStatus.model_fields}
    return AgentStatus(**fields, **facts)


def _arms(units: Iterable[UnitStatus]) -> defaultdict[str, list[UnitStatus]]:
    """The units beside an agent's own, while it moves to another version, by agent."""
    found: defaultdict[str, list[UnitStatus]] = defaultdict(list)
    for unit in units:
        agent, beside, _ = unit.name.partition("@")
        if beside:
            found[agent].append(unit)
    return found


def _whole(own: UnitStatus | None, arms: Sequence[UnitStatus]) -> UnitStatus | None:
    """An agent with all its instances, whichever version they run."""
    if own is None or not arms:
        return own
    serving = own if own.state in WELL else next((one for one in arms if one.state in WELL), own)
    instances = tuple(one for unit in (own, *arms) for one in unit.instances)
    reason = own.reason if serving is own else "it moves to another version"
    return own.model_copy(update={"state": serving.state, "reason": reason, "instances": instances})


def _of_kind(units: Mapping[str, UnitStatus], kind: Kind) -> tuple[UnitStatus, ...]:
    return tuple(unit for unit in units.values() if unit.kind is kind)


def _pools(agents: Sequence[AgentStatus]) -> dict[Temperature, PoolTotals]:
    by_temperature: defaultdict[Temperature, list[AgentStatus]] = defaultdict(list)
    for agent in agents:
        by_temperature[agent.temperature].append(agent)
    return {
        temperature: PoolTotals(
            declared=len(members),
            healthy=sum(agent.state in WELL for agent in members),
            instances=sum(len(agent.instances) for agent in members),
            pss=sum(agent.pss or 0 for agent in members),
        )
        for temperature in Temperature
        if (members := by_temperature[temperature])
    }


def _llm(source: LlmSource, gateway: GatewayStats | None) -> LlmStatus:
    if gateway is None:
        return LlmStatus(source=source.kind.value)
    available = [backend for backend in gateway.backends if backend.available]
    models = dict.fromkeys(model for backend in gateway.backends for model in backend.models)
    return LlmStatus(
        source=source.kind.value,
        backends=tuple(backend.name for backend in gateway.backends),
        models=tuple(models),
        healthy=bool(available),
        queued=sum(gateway.queued.values()),
        running=gateway.running,
        slots=sum(backend.slots for backend in available),
    )


def _said_last(unit: UnitStatus) -> str:
    """How its last instance ended, with the last line it wrote."""
    reason = unit.reason or "no reason is known"
    lines = unit.last_exit.lines if unit.last_exit else ()
    return f"{reason}; {lines[-1]}" if lines else reason


def _problems(units: Iterable[UnitStatus], gateway: GatewayStats | None) -> list[str]:
    troubled = [unit for unit in units if unit.state in (State.FAILED, State.BACKING_OFF)]
    told = [f"{unit.name} is {unit.state}: {_said_last(unit)}" for unit in troubled]
    if len(told) > TOLD_MAX:
        told[TOLD_MAX:] = [f"{len(told) - TOLD_MAX} more units are failed or backing off"]
    return [*told, *(gateway.problems if gateway else ())]
