"""Stable ports: who has which, who gets which, and moving them all together. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from sutazai.fleet.errors import BadInput
from sutazai.fleet.positions import NOWHERE, Path, Positions
from sutazai.fleet.problems import bad_fleet
from sutazai.fleet.serving import Backend
from sutazai.fleet.spec import Agent, Fleet, Ports, Runtime, Service, Unit

_THIS_MACHINE = ("localhost", "::1", "0.0.0.0")  # noqa: S104 (compared, never bound)

_Unit = TypeVar("_Unit", Agent, Service)

RUNTIME_POOLS = range(10500, 10516)
"""Kept for shared runtime pools."""

RESERVED = range(10600, 11000)
"""Kept for what is to come."""

GROWTH = 11000
"""Where agents go on when their range is full."""

PORT_MAX = 65535


@dataclass(frozen=True)
class Listener:
    """Somebody who listens on ``port``: ``owner`` in words, ``path`` where the file says so."""

    port: int
    owner: str
    path: Path


def assigned(fleet: Fleet, positions: Positions = NOWHERE) -> Fleet:
    """``fleet`` with a port for every agent.

    Who has one keeps it. The others get, in the order in which they are declared, the lowest one
    of `ports.agents_first` to `agents_last` that nothing in the file uses, then those from
    11000 up. Raises BadFleet where there are no more.
    """
    free = _free(fleet)
    agents = dict(fleet.agents)
    for name, agent in agents.items():
        if agent.port is None:
            agents[name] = agent.model_copy(update={"port": _next(free, name, positions)})
    return fleet.model_copy(update={"agents": agents})


def moved(fleet: Fleet, base: int) -> Fleet:
    """``fleet`` with every port that it listens on shifted so that control's is ``base``.

    Addresses of what is `remote` and of backends stay, for somebody else listens there; those of
    managed backends move.
    Raises BadInput where a port would leave 1-65535.
    """
    shift = base - fleet.ports.control
    ports = [fleet.ports.agents_last, *(listener.port for listener in listeners(fleet))]
    lowest, highest = min(ports) + shift, max(ports) + shift
    if lowest < 1 or highest > PORT_MAX:
        least, most = base + 1 - lowest, base + PORT_MAX - highest
        raise BadInput(
            f"with port base {base} the fleet would use ports {lowest} to {highest}",
            hint=f"choose a base from {least} to {most}",
        )
    return fleet.model_copy(
        update={
            "ports": _moved_range(fleet.ports, shift),
            "agents": {name: _moved_unit(agent, shift) for name, agent in fleet.agents.items()},
            "services": {name: _moved_unit(unit, shift) for name, unit in fleet.services.items()},
            "backends": {name: _moved_backend(one, shift) for name, one in fleet.backends.items()},
        }
    )


def listeners(fleet: Fleet) -> list[Listener]:
    """Everything of ``fleet`` that listens on a port of its own, once all of it runs.

    Services that are not enabled do not; of `remote` ones somebody else's do.
    """
    return [
        Listener(fleet.ports.control, "the control plane", ("ports", "control")),
        Listener(fleet.ports.web, "the dashboard", ("ports", "web")),
        Listener(fleet.ports.gateway, "the gateway", ("ports", "gateway")),
        *(
            Listener(agent.port, f"agent `{name}`", ("agents", name, "port"))
            for name, agent in fleet.agents.items()
            if agent.port is not None
        ),
        *(
            Listener(unit.port, f"service `{name}`", ("services", name, "port"))
            for name, unit in fleet.services.items()
            if unit.port is not None and unit.enabled and unit.runtime is not Runtime.REMOTE
        ),
        *(
            Listener(port, f"backend `{name}`", ("backends", name, "url"))
            for name, backend in fleet.backends.items()
            if backend.managed is not None and (port := local_port(backend.url)) is not None
        ),
    ]


def local_port(url: str | None) -> int | None:
    """The port of this machine that ``url`` points at; None where it points elsewhere."""
    try:
        parts = urlsplit(url or "")
        host = parts.hostname or ""
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return port if host in _THIS_MACHINE or host.startswith("127.") else None


def _free(fleet: Fleet) -> Iterator[int]:
    taken = _spoken_for(fleet)
    last = fleet.ports.agents_last
    for numbers in (
        range(fleet.ports.agents_first, last + 1),
        range(max(last + 1, GROWTH), PORT_MAX + 1),
    ):
        for port in numbers:
            if port not in taken and port not in RUNTIME_POOLS and port not in RESERVED:
                yield port


def _spoken_for(fleet: Fleet) -> set[int]:
    """Ports that the file mentions anywhere, also for what does not run now."""
    units: list[Unit] = [*fleet.agents.values(), *fleet.services.values()]
    urls = [unit.url for unit in units] + [backend.url for backend in fleet.backends.values()]
    return {
        fleet.ports.control,
        fleet.ports.web,
        fleet.ports.gateway,
        *(unit.port for unit in units if unit.port is not None),
        *(port for url in urls if (port := local_port(url)) is not None),
    }


def _next(free: Iterator[int], name: str, positions: Positions) -> int:
    port = next(free, None)
    if port is None:
        raise bad_fleet(
            [
                positions.problem(
                    ("agents", name),
                    f"no port is left for agent `{name}`",
                    hint="lower `ports.agents_first`, or declare fewer agents",
                    at_key=True,
                )
            ]
        )
    return port


def _moved_range(ports: Ports, shift: int) -> Ports:
    names = ("control", "web", "gateway", "agents_first", "agents_last")
    return ports.model_copy(update={name: getattr(ports, name) + shift for name in names})


def _moved_unit(unit: _Unit, shift: int) -> _Unit:
    return unit.model_copy(update={"port": unit.port + shift}) if unit.port else unit


def _moved_backend(backend: Backend, shift: int) -> Backend:
    port = local_port(backend.url)
    if backend.managed is None or port is None:
        return backend
    parts = urlsplit(backend.url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    url = parts._replace(netloc=f"{host}:{port + shift}").geturl()
    return backend.model_copy(update={"url": url})
