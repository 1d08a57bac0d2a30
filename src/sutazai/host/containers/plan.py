"""What a container is made of, from what is wanted of its unit. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sutazai.fleet.desired import Container, DesiredUnit
from sutazai.fleet.mounts import parse_mount
from sutazai.fleet.spec import Network
from sutazai.host.containers.engine import FLEET, INSTANCE, UNIT, VERSION
from sutazai.host.limits import Limit

PERIOD = 100_000
"""Microseconds in which a quota of CPU time is used up."""
SHARES = 1024 / 100
"""Shares that stand for one of our weights: 1,024 and 100 are the usual ones."""
NPROC = 32_768
"""Processes of one user. The kernel counts those of all containers together, so it must never be
this that bounds an instance; with none, Podman asks for more than it may in a container itself."""


@dataclass(frozen=True, kw_only=True)
class Hard:
    """Bounds on bounds: how many open files and processes this machine lets anybody ask for; None
    where there is no bound."""

    open_files: int | None = None
    processes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One container. ``published`` is its port within and the one on loopback that leads there."""

    name: str
    image: str
    command: tuple[str, ...]
    entrypoint: tuple[str, ...]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    volumes: tuple[str, ...]
    published: tuple[int, int] | None
    network: str
    alias: str | None
    user: str | None
    read_only: bool
    directory: str | None
    memory: int | None
    shares: int
    quota: int | None
    processes: int | None
    ulimits: Mapping[str, int]


def port_within(container: Container, outer: str) -> str:
    """The port that the program is told to listen at."""
    if container.network is Network.HOST or container.port is None:
        return outer
    return str(container.port)


def labels_of(unit: DesiredUnit, instance: str, fleet: str) -> dict[str, str]:
    """What tells a container of ours from all others."""
    return {FLEET: fleet, INSTANCE: instance, UNIT: unit.name, VERSION: unit.version}


def shares_of(limit: Limit) -> dict[str, int]:
    """A container's share of the cores, as the engine's API says it."""
    found = {"CpuShares": _shares(limit)}
    if (quota := _quota(limit)) is not None:
        found |= {"CpuPeriod": PERIOD, "CpuQuota": quota}
    return found


def plan_of(
    unit: DesiredUnit,
    container: Container,
    limit: Limit,
    *,
    name: str,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    labels: Mapping[str, str],
    outer: str,
    network: str,
    hard: Hard,
) -> Plan:
    """The container of one instance.

    Args:
        command, environment: with everything resolved.
        outer: the port on loopback where it is reached; empty for none.
        network: the name of the fleet's own bridge.
    """
    bridged = container.network is Network.BRIDGE
    within = port_within(container, outer)
    return Plan(
        name=name,
        image=container.image,
        command=command,
        entrypoint=container.entrypoint,
        environment=environment,
        labels=labels,
        volumes=container.volumes,
        published=(int(within), int(outer)) if bridged and outer else None,
        network=network if bridged else Network.HOST.value,
        alias=unit.name if bridged else None,
        user=container.user,
        read_only=container.read_only,
        directory=container.directory,
        memory=limit.memory,
        shares=_shares(limit),
        quota=_quota(limit),
        processes=limit.processes,
        ulimits=_ulimits(limit, hard),
    )


def binds_of(volumes: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Mounts with a source as the engine takes them, and folders that get a volume of their own."""
    mounts = [parse_mount(each) for each in volumes]
    return (
        [str(mount) for mount in mounts if mount.source],
        [mount.target for mount in mounts if not mount.source],
    )


def _shares(limit: Limit) -> int:
    return max(2, round(limit.weight * SHARES))


def _quota(limit: Limit) -> int | None:
    return None if limit.cores is None else round(limit.cores * PERIOD)


def _ulimits(limit: Limit, hard: Hard) -> dict[str, int]:
    found = {}
    if limit.open_files is not None:
        found["nofile"] = min(limit.open_files, hard.open_files or limit.open_files)
    if hard.processes is not None:
        found["nproc"] = min(NPROC, hard.processes)
    return found
