"""What spans several parts of a fleet: names, references, order, hierarchy, ports, runtimes. Pure.

Errors refuse a fleet, warnings are printed. Whether it fits the machine is found in ``fit``.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from sutazai.fleet.alert_checks import check_alerts
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.fit import Machine, check_fit
from sutazai.fleet.hierarchy import Hierarchy
from sutazai.fleet.isolation_checks import check_isolation
from sutazai.fleet.mounts import parse_mount
from sutazai.fleet.order import cycles, dependencies
from sutazai.fleet.ports import Listener, listeners, local_port
from sutazai.fleet.positions import NOWHERE, Path, Positions
from sutazai.fleet.problems import Problem, Severity
from sutazai.fleet.schedule_checks import check_schedules
from sutazai.fleet.secrets import is_reference
from sutazai.fleet.serving_checks import check_serving
from sutazai.fleet.spec import Agent, Fleet, Network, Rank, Runtime, Service, Unit
from sutazai.fleet.workflow_checks import check_workflows

__all__ = ["Machine", "Problem", "Severity", "check_fleet"]

OWN_NAMES = ("control", "gateway", "host", "keeper", "llm", "web", "zygote")
"""Names of the house's own processes; a unit's log and records would mix with theirs."""

ENGINE_SOCKETS = ("docker.sock", "podman.sock")
"""Whoever can open one of these can do anything on the machine."""

Found = Iterator[Problem]

_PROGRAMS = (Runtime.COMMAND, Runtime.CONTAINER)
_OF_CONTAINERS = (
    "image", "entrypoint", "volumes", "container_port", "container_name", "user", "read_only",
)  # fmt: skip


def check_fleet(fleet: Fleet, machine: Machine, positions: Positions = NOWHERE) -> list[Problem]:
    """Everything that is wrong with ``fleet`` on ``machine``, in the order of its file.

    ``positions`` are those of `load.load`; without them problems carry a path but no line.
    Give the fleet as it will run: ports assigned, and moved where they are.
    """
    found = [
        *_names(fleet, positions),
        *_references(fleet, positions),
        *_restarts(fleet, positions),
        *_order(fleet, positions),
        *_hierarchy(fleet, positions),
        *_ports(fleet, positions),
        *_runtimes(fleet, positions),
        *_addresses(fleet, positions),
        *check_serving(fleet, machine, positions),
        *check_fit(fleet, machine, positions),
        *check_isolation(fleet, machine, positions),
        *check_schedules(fleet, positions),
        *check_workflows(fleet, positions),
        *check_alerts(fleet, positions),
    ]
    return sorted(found, key=lambda problem: (problem.line, problem.column))


def _units(fleet: Fleet) -> Iterator[tuple[Path, str, Agent | Service]]:
    for name, agent in fleet.agents.items():
        yield ("agents", name), f"agent `{name}`", agent
    for name, service in fleet.services.items():
        yield ("services", name), f"service `{name}`", service


def _names(fleet: Fleet, positions: Positions) -> Found:
    for path, label, _ in _units(fleet):
        if path[1] in OWN_NAMES:
            yield positions.problem(
                path,
                f"{label} has the name of a part of SutazAI",
                hint=f"choose another name than {', '.join(OWN_NAMES)}",
                at_key=True,
            )
    for name in [name for name in fleet.services if name in fleet.agents]:
        yield positions.problem(
            ("services", name),
            f"`{name}` is both an agent and a service",
            hint="give one of them another name",
            at_key=True,
        )


def _references(fleet: Fleet, positions: Positions) -> Found:
    units = [*fleet.agents, *fleet.services]
    for path, label, unit in _units(fleet):
        for at, name in enumerate(unit.depends_on):
            if name not in units:
                yield _unknown(positions, (*path, "depends_on", at), label, name, units)
    for name, agent in fleet.agents.items():
        path, label = ("agents", name), f"agent `{name}`"
        if agent.lead is not None and agent.lead not in fleet.agents:
            yield _unknown(positions, (*path, "lead"), label, agent.lead, [*fleet.agents])
        if agent.tier not in fleet.tiers:
            yield _unknown(positions, (*path, "tier"), label, agent.tier, [*fleet.tiers])
    for name, tier in fleet.tiers.items():
        for at, backend in enumerate(tier.backends):
            if backend not in fleet.backends:
                tier_path = ("tiers", name, "backends", at)
                yield _unknown(positions, tier_path, f"tier `{name}`", backend, [*fleet.backends])


def _restarts(fleet: Fleet, positions: Positions) -> Found:
    for path, label, unit in _units(fleet):
        for at, name in enumerate(unit.restart_with):
            if name not in unit.depends_on:
                yield positions.problem(
                    (*path, "restart_with", at),
                    f"{label} is to be restarted with `{name}`, on which it does not depend",
                    hint=did_you_mean(name, unit.depends_on) or f"add `{name}` to `depends_on`",
                )


def _unknown(positions: Positions, path: Path, label: str, name: str, known: list[str]) -> Problem:
    """``label`` names, under the last key of ``path``, what the fleet does not have."""
    key = next(part for part in reversed(path) if isinstance(part, str))
    kind = {"lead": "agent", "tier": "tier", "backends": "backend"}.get(key, "agent or service")
    section = {"depends_on": "services", "backends": "backends"}.get(key, f"{kind}s")
    hint = did_you_mean(name, known) or f"declare it under `{section}`, or take another"
    return positions.problem(path, f"`{key}` of {label}: there is no {kind} `{name}`", hint=hint)


def _order(fleet: Fleet, positions: Positions) -> Found:
    for cycle in cycles(dependencies(fleet)):
        section = "agents" if cycle[0] in fleet.agents else "services"
        yield positions.problem(
            (section, cycle[0], "depends_on"),
            f"these wait for each other and would never start: {' → '.join(cycle)}",
            hint="remove one of them from `depends_on` of the one before it",
        )
    off = {name for name, unit in fleet.services.items() if not unit.enabled}
    for path, label, unit in _units(fleet):
        for at, name in enumerate(unit.depends_on):
            if name in off and path[1] not in off:
                yield positions.problem(
                    (*path, "depends_on", at),
                    f"{label} waits for service `{name}`, which is not enabled",
                    hint=f"set `enabled: true` for `{name}`, or remove it from `depends_on`",
                )


def _hierarchy(fleet: Fleet, positions: Positions) -> Found:
    leads = {name: agent.lead for name, agent in fleet.agents.items() if agent.lead is not None}
    for cycle in cycles({name: (lead,) for name, lead in leads.items()}):
        yield positions.problem(
            ("agents", cycle[0], "lead"),
            f"these lead each other: {' → '.join(cycle)}",
            hint="the one at the top has no `lead`",
        )
    for name, lead in leads.items():
        if lead in fleet.agents and fleet.agents[lead].rank is Rank.WORKER:
            yield positions.problem(
                ("agents", name, "lead"),
                f"agent `{name}` reports to `{lead}`, which is itself a worker",
                hint=f"set `rank: lead` for `{lead}`, or name a lead or an orchestrator",
            )
    yield from _hierarchy_gaps(fleet, positions)


def _hierarchy_gaps(fleet: Fleet, positions: Positions) -> Found:
    if not Hierarchy.of(fleet).declared:
        return
    alone = [
        name
        for name, agent in fleet.agents.items()
        if agent.rank is Rank.WORKER and agent.lead is None
    ]
    if alone:
        them = f"agent `{alone[0]}`" if len(alone) == 1 else f"{len(alone)} agents ({_few(alone)})"
        yield positions.problem(
            ("agents", alone[0]),
            f"{them} can speak with no other agent: others have a lead, and here none is named",
            hint="set `lead`, or `rank: lead` for one that has a team",
            severity=Severity.WARNING,
            at_key=True,
        )
    ranks = [agent.rank for agent in fleet.agents.values()]
    if ranks.count(Rank.LEAD) > 1 and Rank.ORCHESTRATOR not in ranks:
        yield positions.problem(
            ("agents",),
            f"{ranks.count(Rank.LEAD)} teams cannot reach each other: no agent is an orchestrator",
            hint="set `rank: orchestrator` for one that all leads may speak with",
            severity=Severity.WARNING,
            at_key=True,
        )


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _ports(fleet: Fleet, positions: Positions) -> Found:
    by_port: dict[int, Listener] = {}
    for listener in listeners(fleet):
        first = by_port.setdefault(listener.port, listener)
        if first is not listener:
            yield positions.problem(
                listener.path,
                f"port {listener.port} is wanted by {first.owner} and by {listener.owner}",
                hint="give one of them another; an agent without `port` gets a free one",
            )
    yield from _addresses_that_are_doors(fleet, positions, by_port)


def _addresses_that_are_doors(
    fleet: Fleet, positions: Positions, by_port: dict[int, Listener]
) -> Found:
    """Addresses of what others run that lead back to the fleet's own front doors."""
    for path, label, url in _urls(fleet):
        if path[0] == "backends" and fleet.backends[str(path[1])].managed is not None:
            continue  # it listens there itself
        listener = by_port.get(local_port(url) or 0)
        if listener is not None and _is_door(fleet, listener):
            yield positions.problem(
                (*path, "url"),
                f"{label} is said to run at port {listener.port}, where {listener.owner} listens",
                hint="correct `url`, or give the other another port",
            )


def _is_door(fleet: Fleet, listener: Listener) -> bool:
    """Whether SutazAI itself listens there, rather than a program that it starts."""
    section, name = listener.path[0], str(listener.path[1])
    if section == "services":
        return False
    return section == "ports" or fleet.agents[name].runtime is not Runtime.COMMAND


def _urls(fleet: Fleet) -> Iterator[tuple[Path, str, str]]:
    for path, label, unit in _units(fleet):
        if unit.runtime is Runtime.REMOTE and unit.url:
            yield path, label, unit.url
    for name, backend in fleet.backends.items():
        yield ("backends", name), f"backend `{name}`", backend.url


def _addresses(fleet: Fleet, positions: Positions) -> Found:
    for path, label, url in _urls(fleet):
        if not _is_address(url):
            yield positions.problem(
                (*path, "url"),
                f"`url` of {label} is no address",
                hint="write it as http://127.0.0.1:11434, https://HOST/PATH or unix:/PATH",
            )
    for name, backend in fleet.backends.items():
        if backend.api_key is not None and not is_reference(backend.api_key):
            yield positions.problem(
                ("backends", name, "api_key"),
                f"`api_key` of backend `{name}` holds the key itself",
                hint="put the key elsewhere, and write `${NAME}` or `file:PATH` here",
            )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(
            (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
            or (parts.scheme == "unix" and parts.path.startswith("/"))
        )
    except ValueError:
        return False


def _runtimes(fleet: Fleet, positions: Positions) -> Found:
    for path, label, unit in _units(fleet):
        yield from _unused_keys(positions, path, label, unit)
        yield from _container(positions, path, label, unit)
        if unit.health.path and unit.port is None and unit.runtime in _PROGRAMS:
            yield positions.problem(
                (*path, "health", "path"),
                f"`health.path` of {label} cannot be asked: it has no port",
                hint="set `port`",
            )
    for name, agent in fleet.agents.items():
        if agent.runtime is Runtime.COMMAND and agent.replicas > 1 and _uses_port(agent):
            yield positions.problem(
                ("agents", name, "replicas"),
                f"{agent.replicas} instances of agent `{name}` would listen on one port",
                hint="set `replicas: 1`, or declare one agent for each",
            )


def _container(positions: Positions, path: Path, label: str, unit: Unit) -> Found:
    """What fits no container, or not this one."""
    if unit.container_port is not None and unit.network is Network.HOST:
        yield positions.problem(
            (*path, "container_port"),
            f"`container_port` of {label} has no use in the machine's own network",
            hint="its program must listen at `{port}` itself; or remove `network: host`",
        )
    if any(parse_mount(each).source.endswith(ENGINE_SOCKETS) for each in unit.volumes):
        yield positions.problem(
            (*path, "volumes"),
            f"{label} would get the container engine itself, and with it the whole machine",
            hint="remove that volume, and run what needs it beside the fleet",
        )


def _unused_keys(positions: Positions, path: Path, label: str, unit: Unit) -> Found:
    """Keys that would be passed over in silence, mostly because `runtime` was forgotten."""
    owners = {
        "command": (unit.command, (Runtime.COMMAND, Runtime.CONTAINER)),
        **{key: (getattr(unit, key), (Runtime.CONTAINER,)) for key in _OF_CONTAINERS},
        "network": (unit.network is not Network.BRIDGE, (Runtime.CONTAINER,)),
        "url": (unit.url, (Runtime.REMOTE,)),
    }
    for key, (value, runtimes) in owners.items():
        if value and unit.runtime not in runtimes:
            yield positions.problem(
                (*path, key),
                f"`{key}` of {label} has no use with runtime {unit.runtime}",
                hint=f"set `runtime: {runtimes[0]}`, or remove `{key}`",
                at_key=True,
            )


def _uses_port(unit: Unit) -> bool:
    return any("{port}" in text for text in (*unit.command, *unit.environment.values()))
