"""Memory, cores and replicas of a service, in the words of a fleet file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sutazai.fleet.compose.around import Around
from sutazai.fleet.compose.kinds import Kind
from sutazai.fleet.compose.quantities import parse_bytes, parse_cores, parse_count, size_text
from sutazai.fleet.compose.source import ComposeService, Node
from sutazai.fleet.spec import MEMORY_CLASSES

CLASS = "standard"
REPLICAS_MAX = 1000

_Amount = TypeVar("_Amount", int, float)
_LIMITS = ("deploy", "resources", "limits")
_RESERVATIONS = ("deploy", "resources", "reservations")


def amounts_of(service: ComposeService, around: Around) -> dict[str, Any]:
    """What the fleet file says under ``memory``, ``cpu`` and ``replicas``."""
    amounts: dict[str, Any] = {"memory": _memory(service, around)}
    if (cores := _cores(service, around)) is not None:
        amounts["cpu"] = cores
    if (replicas := _replicas(service, around)) is not None:
        amounts["replicas"] = replicas
    return amounts


def _memory(service: ComposeService, around: Around) -> str:
    limit = service.find(*_LIMITS, "memory") or service.find("mem_limit")
    size = None if limit is None else _read(limit, parse_bytes, "512m", around)
    if size:
        return size_text(size)
    default = size_text(MEMORY_CLASSES[CLASS])
    around.findings.note(
        service.path if limit is None else limit.path,
        f"no memory limit: the class `{CLASS}` is taken, {default}",
        "look what it takes (`docker stats`), and set `memory`",
        at_key=limit is None,
    )
    return CLASS


def _cores(service: ComposeService, around: Around) -> float | None:
    """What it counts for when it works: what it reserves, or else its limit."""
    node = service.find(*_RESERVATIONS, "cpus")
    limit = service.find(*_LIMITS, "cpus") or service.find("cpus")
    if node is not None and limit is not None:
        message = "the limit of cores is not carried over: `cpu` says what is reserved"
        around.findings.note(
            limit.path,
            message,
            "it may take `cpu`, or one core where that is more: raise `cpu` if it needs to",
        )
    node = node or limit
    return None if node is None else _read(node, parse_cores, "0.5", around)


def _replicas(service: ComposeService, around: Around) -> int | None:
    node = service.find("deploy", "replicas") or service.find("scale")
    count = None if node is None else _read(node, parse_count, "2", around)
    if node is None or count is None or count == 1:
        return None
    if around.kinds[service.name] is not Kind.AGENT:
        message = f"a service runs once, not {count} times"
        around.findings.note(node.path, message, "declare one for each, or make it an agent")
        return None
    if count > REPLICAS_MAX:
        around.findings.note(node.path, f"an agent has at most {REPLICAS_MAX} replicas")
    return min(count, REPLICAS_MAX)


def _read(
    node: Node, parse: Callable[[object], _Amount], example: str, around: Around
) -> _Amount | None:
    try:
        return parse(around.plain(node))
    except ValueError as error:
        around.findings.note(node.path, f"this is left out: {error}", f"write it as {example}")
        return None
