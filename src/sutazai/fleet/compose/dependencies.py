"""``depends_on`` of Compose as that of a fleet, where it always means: must be healthy."""

from __future__ import annotations

from collections.abc import Collection

from sutazai.fleet.compose.around import Around
from sutazai.fleet.compose.findings import Findings
from sutazai.fleet.compose.kinds import Kind
from sutazai.fleet.compose.source import ComposeService, Node
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.order import cycles
from sutazai.fleet.positions import shown

ONCE = "service_completed_successfully"


def check_order(services: dict[str, ComposeService], findings: Findings) -> None:
    """Refuse names that nothing has, and circles, as Compose does."""
    graph = {name: list(_entries(service)) for name, service in services.items()}
    for service in services.values():
        for needed, node in _entries(service).items():
            if needed not in services:
                hint = did_you_mean(needed, services) or "declare it, or remove it here"
                findings.refuse(node.path, f"there is no service `{shown(needed)}`", hint)
    for cycle in cycles(graph):
        circle = " → ".join(shown(name) for name in cycle)
        findings.refuse(
            ("services", cycle[0], "depends_on"),
            f"these wait for each other and would never start: {circle}",
            "remove one of them from `depends_on` of the one before it",
        )


def dependencies_of(service: ComposeService, around: Around) -> list[str]:
    """Names in the fleet of what ``service`` waits for."""
    needed = []
    for name, node in _entries(service).items():
        if around.kinds[name] is Kind.BACKEND:
            message = "waiting for the LLM server falls away: calls wait in the gateway's queue"
            around.findings.note(node.path, message, at_key=True)
        elif isinstance(node.value, dict) and node.value.get("condition") == ONCE:
            around.findings.note(
                node.path,
                "a fleet waits for what is healthy, not for what has ended",
                f"run `{shown(name)}` before `sutazai up`",
                at_key=True,
            )
        else:
            needed.append(around.names[name])
    return needed


def restarts_of(service: ComposeService, around: Around, needed: Collection[str]) -> list[str]:
    """Those of ``needed`` (names in the fleet) with whose restart ``service`` is restarted."""
    declared = (
        around.names[name]
        for name, node in _entries(service).items()
        if isinstance(node.value, dict) and node.value.get("restart") in (True, "true")
    )
    return [name for name in declared if name in needed]


def _entries(service: ComposeService) -> dict[str, Node]:
    """What it depends on by name; of a list's items the value is None."""
    found: dict[str, Node] = {}
    for node in service.all("depends_on"):
        for item in node.items():
            if isinstance(node.value, dict):
                found[str(item.path[-1])] = item
            else:
                found[str(item.value)] = Node(None, item.path)
    return found
