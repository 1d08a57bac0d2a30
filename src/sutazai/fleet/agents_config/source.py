"""An `agents.config.json` as plain values with their places; what is none is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.compose.findings import Findings
from sutazai.fleet.document import read_document
from sutazai.fleet.positions import Path, shown
from sutazai.fleet.problems import bad_fleet

KNOWN = ("metadata", "runtime", "models", "agents", "workflow", "monitoring")
SAID = {
    "metadata": ("name", "description", "version"),
    "runtime": ("defaultProvider", "ollama", "defaultModel", "concurrency", "fallbackProviders"),
    "monitoring": ("metrics", "logLevel", "retentionDays"),
}
"""What is understood of each part; the rest is told."""


@dataclass(frozen=True)
class Source:
    """The file's parts. ``top`` is the whole of it."""

    top: dict[str, Any]
    findings: Findings

    def part(self, name: str) -> dict[str, Any]:
        """A part that is an object; an empty one where it is something else."""
        value = self.top.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def agents(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Each agent that has an ``id``, with its place."""
        declared = self.top["agents"]
        pairs = declared.items() if isinstance(declared, dict) else enumerate(declared)
        for key, agent in pairs:
            path = ("agents", key)
            named = agent if isinstance(agent, dict) else {}
            name = named.get("id") or (key if isinstance(key, str) else None)
            if isinstance(name, str):
                yield path, {**named, "id": name}
            else:
                self.findings.note(path, "this agent is left out: it has no `id`", "give it one")

    @property
    def edges(self) -> list[Any]:
        """The workflow's edges: a list, or an object that has one."""
        workflow = self.top.get("workflow")
        if isinstance(workflow, dict):
            workflow = workflow.get("edges") or workflow.get("steps")
        return workflow if isinstance(workflow, list) else []


def is_agents_config(text: str) -> bool:
    """Whether ``text`` is such a file, and no Compose file."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "agents" in value and "services" not in value


def read_source(text: str, file: str) -> Source:
    """The parts of ``text``. Raises BadFleet where it is no such file."""
    document = read_document(text, file)
    data, positions = document.data, document.positions
    if document.problems:
        raise bad_fleet(document.problems)
    if not isinstance(data, dict) or not isinstance(data.get("agents"), list | dict):
        message = "`agents` must be a list of agents"
        raise bad_fleet([positions.problem(("agents",), message)])
    source = Source(data, Findings(positions))
    for path in _unknown(data):
        source.findings.note(path, f"`{shown(str(path[-1]))}` is not carried over", at_key=True)
    return source


def _unknown(data: dict[str, Any]) -> Iterator[Path]:
    yield from ((key,) for key in data if key not in KNOWN)
    for name, said in SAID.items():
        part = data.get(name)
        if isinstance(part, dict):
            yield from ((name, key) for key in part if key not in said)
