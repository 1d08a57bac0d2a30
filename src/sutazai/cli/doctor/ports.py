"""Which of a fleet's ports are free, and who has the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sutazai.cli.doctor.finding import Finding, Level
from sutazai.fleet.spec import Ports
from sutazai.host.machine import Listener

_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 (compared, never bound)
_FIRST_SHIFT, _STEP = 10_000, 1_000
_GIVEN_OUT = 32_768  # from here on the kernel gives ports to outgoing connections
_SHOWN = 3
_COMMAND_MAX = 60


@dataclass(frozen=True)
class Holder:
    """Who listens somewhere; ``fleet`` is the state folder of the fleet it belongs to, if any."""

    listener: Listener
    fleet: Path | None = None


def port_findings(ports: Ports, holders: Sequence[Holder], state: Path) -> list[Finding]:
    """Findings on the ports of control and gateway, and on those that agents get.

    Args:
        state: the state folder of the fleet that is meant.
    """
    base = free_base(ports, {holder.listener.port for holder in holders})
    clashing = [holder for holder in holders if _clashes(holder.listener, ports.host)]
    agents = range(ports.agents_first, ports.agents_last + 1)
    return [
        _single("control", ports.control, _on(clashing, [ports.control]), state, base),
        _single("dashboard", ports.web, _on(clashing, [ports.web]), state, base),
        _single("gateway", ports.gateway, _on(clashing, [ports.gateway]), state, base),
        _range(agents, _on(clashing, agents), state, base),
    ]


def _single(name: str, port: int, there: list[Holder], state: Path, base: int | None) -> Finding:
    subject = f"port {port}"
    if not there:
        return Finding(subject, Level.OK, "free", f"{name} will listen there")
    if _all_ours(there, state):
        return Finding(subject, Level.OK, "held by this fleet, which runs", f"{name} listens there")
    meaning = f"{name} cannot listen there, and the fleet does not start"
    return Finding(subject, Level.PROBLEM, _who(there), meaning, _fix(base))


def _range(ports: range, there: list[Holder], state: Path, base: int | None) -> Finding:
    subject = f"ports {ports.start}-{ports.stop - 1}"
    if _all_ours(there, state):
        found = f"{len(there)} held by this fleet, which runs" if there else "free"
        return Finding(subject, Level.OK, found, "agents get their stable ports there")
    strange = [holder for holder in there if holder.fleet != state]
    meaning = "a fleet with an agent on one of them does not start"
    return Finding(subject, Level.WARNING, _who(strange), meaning, _fix(base))


def _all_ours(there: Iterable[Holder], state: Path) -> bool:
    return all(holder.fleet == state for holder in there)


def _on(holders: Iterable[Holder], ports: Sequence[int]) -> list[Holder]:
    return [holder for holder in holders if holder.listener.port in ports]


def _clashes(listener: Listener, host: str) -> bool:
    """Whether somebody who listens so keeps us from listening on ``host``."""
    return host in _EVERY_ADDRESS or listener.host in (host, *_EVERY_ADDRESS)


def _who(holders: Sequence[Holder]) -> str:
    shown = ", ".join(_one(holder) for holder in holders[:_SHOWN])
    rest = len(holders) - _SHOWN
    return f"taken: {shown}{f' and {rest} more' if rest > 0 else ''}"


def _one(holder: Holder) -> str:
    listener = holder.listener
    if holder.fleet is not None:
        return f"{listener.port} by the fleet of {holder.fleet}"
    if listener.pid is None:
        return f"{listener.port} by another user's process"
    command = listener.command
    short = command if len(command) <= _COMMAND_MAX else f"{command[:_COMMAND_MAX]}…"
    return f"{listener.port} by process {listener.pid} ({short})"


def _fix(base: int | None) -> str:
    move = f", or move all ports: sutazai up --port-base {base}" if base else ""
    return f"stop it{move}"


def free_base(ports: Ports, taken: set[int]) -> int | None:
    """A port base with which all of a fleet's ports are free; None if no usual one is.

    The base is control's port, and all others keep their distance from it.
    """
    agents = range(ports.agents_first, ports.agents_last + 1)
    wanted = {ports.control, ports.web, ports.gateway, *agents}
    for shift in range(_FIRST_SHIFT, _GIVEN_OUT - max(wanted), _STEP):
        if taken.isdisjoint(port + shift for port in wanted):
            return ports.control + shift
    return None
