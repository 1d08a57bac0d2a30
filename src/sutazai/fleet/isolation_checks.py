"""What of isolation and affinity cannot be held: by the runtime, the kernel, or the cores. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.fit import Machine
from sutazai.fleet.isolation import numbers
from sutazai.fleet.positions import Path, Positions
from sutazai.fleet.problems import Problem, Severity
from sutazai.fleet.spec import Agent, Fleet, Pool, Runtime, Service

LLM = "llm"
"""The set of cores of the LLM servers that the fleet starts."""

_PATHS, _PORTS = 3, 4
"""The versions of Landlock that hold paths and TCP ports as we need it."""

_OURS = (Runtime.PYTHON, Runtime.COMMAND)


def check_isolation(fleet: Fleet, machine: Machine, positions: Positions) -> Iterator[Problem]:
    """Problems of ``fleet`` on ``machine``."""
    for section, units in (("agents", fleet.agents), ("services", fleet.services)):
        for name, unit in units.items():
            label = f"{section[:-1]} `{name}`"
            yield from _unused(positions, (section, name), label, unit)
            yield from _not_held(positions, (section, name), label, unit, machine)
            yield from _unknown_cores(positions, (section, name), label, unit, fleet)
    yield from _cores(positions, fleet, machine)


def _unused(
    positions: Positions, path: Path, label: str, unit: Agent | Service
) -> Iterator[Problem]:
    if unit.runtime in _OURS:
        return
    for key in unit.declared_isolation:
        yield positions.problem(
            (*path, key),
            f"`{key}` of {label} has no use with runtime {unit.runtime}",
            hint=f"remove `{key}`: only processes that the fleet starts itself are held to it",
            at_key=True,
        )


def _not_held(
    positions: Positions, path: Path, label: str, unit: Agent | Service, machine: Machine
) -> Iterator[Problem]:
    if machine.landlock is None or unit.runtime not in _OURS:
        return
    needed = {"reads": _PATHS, "writes": _PATHS, "egress": _PORTS}
    for key in unit.declared_isolation:
        if key in needed and machine.landlock < needed[key]:
            yield positions.problem(
                (*path, key),
                f"`{key}` of {label} cannot be held by this kernel (Landlock {machine.landlock})",
                hint=f"it takes Landlock {needed[key]}: Linux {_linux(needed[key])} or newer, with "
                "landlock among its security modules; or remove it",
                at_key=True,
            )


def _linux(version: int) -> str:
    return {_PATHS: "6.2", _PORTS: "6.7"}[version]


def _unknown_cores(
    positions: Positions, path: Path, label: str, unit: Agent | Service, fleet: Fleet
) -> Iterator[Problem]:
    name = unit.affinity
    if name is not None and name not in fleet.affinity:
        yield positions.problem(
            (*path, "affinity"),
            f"`affinity` of {label}: there is no set of cores `{name}`",
            hint=did_you_mean(name, [*fleet.affinity]) or "declare it under `affinity`",
        )


def _cores(positions: Positions, fleet: Fleet, machine: Machine) -> Iterator[Problem]:
    units = [*fleet.agents.values(), *fleet.services.values()]
    known = {*Pool, LLM, *(unit.affinity for unit in units)}
    for name, cores in fleet.affinity.items():
        if name not in known:
            yield positions.problem(
                ("affinity", name),
                f"nothing runs on the cores `{name}`",
                hint=f"name a pool ({', '.join(Pool)}) or `{LLM}`, or set `affinity: {name}` for "
                "a unit",
                severity=Severity.WARNING,
                at_key=True,
            )
        missing = set(numbers(cores)) - (machine.cpus or set(numbers(cores)))
        if missing:
            yield positions.problem(
                ("affinity", name),
                f"this machine has no core {min(missing)}; what is bound to `{name}` runs on all",
                hint=f"it has {_ranges(machine.cpus)}; name some of these, or remove `{name}`",
                severity=Severity.WARNING,
            )


def _ranges(cpus: frozenset[int] | None) -> str:
    found = sorted(cpus or ())
    last = len(found) - 1
    whole = found and found[-1] - found[0] == last
    return f"{found[0]}-{found[-1]}" if whole and last else ", ".join(map(str, found))
