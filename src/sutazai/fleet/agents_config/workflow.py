"""Edges of the old workflow as steps: each agent once, after all that it gets something from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sutazai.fleet.agents_config.source import Source
from sutazai.fleet.positions import Path, shown

TIMEOUT = "10m"


@dataclass(frozen=True)
class Edge:
    """One agent hands ``artifact`` to another."""

    path: Path
    start: str
    end: str
    artifact: str | None


def steps_of(source: Source, names: dict[str, str]) -> list[dict[str, Any]]:
    """The steps of the one workflow, in an order in which they can be done."""
    edges = _edges(source, names)
    order, left = _ordered(edges)
    for edge in left:
        source.findings.note(
            edge.path,
            f"the way back from `{edge.start}` to `{edge.end}` is left out",
            "a loop is `repeat` on its last step: {from: STEP, until: CONDITION, max: 3}",
        )
    kept = [edge for edge in edges if edge not in left]
    return [_step(name, kept) for name in order]


def _edges(source: Source, names: dict[str, str]) -> list[Edge]:
    found = []
    for at, edge in enumerate(source.edges):
        path: Path = ("workflow", at) if isinstance(source.top["workflow"], list) else ("workflow",)
        said = edge if isinstance(edge, dict) else {}
        start, end = said.get("from"), said.get("to")
        if start in names and end in names and start != end:
            artifact = said.get("artifact")
            named = artifact if isinstance(artifact, str) and artifact else None
            found.append(Edge(path, names[start], names[end], named))
        else:
            message = f"the edge from `{shown(str(start))}` to `{shown(str(end))}` is left out"
            source.findings.note(path, message, "both must be agents of this file")
    return found


def _ordered(edges: list[Edge]) -> tuple[list[str], list[Edge]]:
    """Agents, each after those before it, and the edges that lead back."""
    waiting = list(dict.fromkeys(name for edge in edges for name in (edge.start, edge.end)))
    order: list[str] = []
    back: list[Edge] = []
    while waiting:
        ready = [
            name
            for name in waiting
            if all(edge.start in order for edge in edges if edge.end == name and edge not in back)
        ]
        if not ready:  # in a circle the agent that the file names first begins
            back += [edge for edge in edges if edge.end == waiting[0] and edge.start in waiting]
            continue
        order.append(ready[0])
        waiting.remove(ready[0])
    return order, back


def _step(name: str, edges: list[Edge]) -> dict[str, Any]:
    before = list(dict.fromkeys(edge.start for edge in edges if edge.end == name))
    artifact = next((one.artifact for one in edges if one.start == name and one.artifact), None)
    given: Any = "${input}"
    if before:
        given = {"goal": "${input}", **{one: f"${{steps.{one}.output}}" for one in before}}
    step = {"name": name, "agent": name, "input": given, "timeout": TIMEOUT, "retries": 1}
    return step | ({"artifact": artifact.lstrip("/")} if artifact else {})
