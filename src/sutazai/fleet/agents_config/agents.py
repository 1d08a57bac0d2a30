"""Agents of the old system as `command` agents that fetch their tasks."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from sutazai.fleet.agents_config.models import STANDARD, Models
from sutazai.fleet.agents_config.source import Source
from sutazai.fleet.compose.draft import Entry
from sutazai.fleet.compose.names import fleet_names
from sutazai.fleet.positions import Path, shown

RUNNERS = {
    ".py": ("python3",),
    ".js": ("node",),
    ".mjs": ("node",),
    ".cjs": ("node",),
    ".ts": ("npx", "tsx"),
    ".sh": ("sh",),
}
KNOWN = (
    "id", "name", "description", "entryPoint", "port", "defaultModel", "tools", "outputs",
    "requires", "model",
)  # fmt: skip
_CLASS = re.compile(r"[\w.]+:\w+")


def names_of(source: Source) -> dict[str, str]:
    """What each agent is called in the fleet."""
    return fleet_names(agent["id"] for _, agent in source.agents)


def agents_of(source: Source, models: Models, names: dict[str, str]) -> list[Entry]:
    """The agents, in their order; a second one of the same id is left out."""
    entries: dict[str, Entry] = {}
    ports: dict[int, str] = {}
    for path, agent in source.agents:
        if agent["id"] in entries:
            source.findings.note(path, f"`{shown(agent['id'])}` is there twice: left out")
        elif (entry := _agent(path, agent, source, models, names, ports)) is not None:
            entries[agent["id"]] = entry
    return list(entries.values())


def _agent(
    path: Path,
    agent: dict[str, Any],
    source: Source,
    models: Models,
    names: dict[str, str],
    ports: dict[int, str],
) -> Entry | None:
    running = _running(agent.get("entryPoint"))
    if running is None:
        message = f"`{shown(agent['id'])}` is left out: it has no `entryPoint`"
        source.findings.note(path, message, "declare it by hand, with its command")
        return None
    keys: dict[str, Any] = {
        **running,
        "description": str(agent.get("description") or "").strip(),
        "port": _port(path, agent, source, ports),
        **_asking(path, agent, source, models),
        "depends_on": _needed(path, agent, source, names),
    }
    for key in agent:
        if key not in KNOWN:
            source.findings.note((*path, key), f"`{shown(key)}` is not carried over", at_key=True)
    kept = {key: value for key, value in keys.items() if value not in (None, "", [], {})}
    return Entry(names[agent["id"]], kept, _remarks(path, agent, source))


def _running(entry: Any) -> dict[str, Any] | None:
    if not isinstance(entry, str) or not entry.strip():
        return None
    if _CLASS.fullmatch(entry):
        return {"class": entry}
    runner = RUNNERS.get(PurePosixPath(entry).suffix, ())
    return {"runtime": "command", "command": [*runner, entry], "pull": True}


def _port(path: Path, agent: dict[str, Any], source: Source, ports: dict[int, str]) -> int | None:
    port = agent.get("port")
    if not isinstance(port, int) or not 0 < port < 65536:
        return None
    if port in ports:
        message = f"port {port} is `{shown(ports[port])}`'s already: this agent gets another one"
        source.findings.note((*path, "port"), message)
        return None
    ports[port] = agent["id"]
    return port


def _asking(path: Path, agent: dict[str, Any], source: Source, models: Models) -> dict[str, Any]:
    model = agent.get("defaultModel") or agent.get("model")
    default = source.part("runtime").get("defaultModel")
    tier = models.tier_of.get(model) if isinstance(model, str) else None
    if model is not None and tier is None:
        message = f"`models` has no `{shown(str(model))}`: the tier `{STANDARD}` is asked"
        source.findings.note((*path, "defaultModel"), message)
    temperature = models.temperature(model if tier else default)
    asking: dict[str, Any] = {"tier": tier if tier != STANDARD else None}
    if temperature is not None:
        asking["sampling"] = {"temperature": temperature}
    return asking


def _needed(path: Path, agent: dict[str, Any], source: Source, names: dict[str, str]) -> list[str]:
    """Agents that it requires; of everything else only a person knows what it is."""
    required = agent.get("requires")
    required = required if isinstance(required, list) else [required] if required else []
    others = [str(one) for one in required if one not in names]
    if others:
        source.findings.note(
            (*path, "requires"),
            f"it requires {shown(', '.join(others))}, which is no agent of this file",
            "declare a service for it, or set its variable under `environment`",
        )
    return [names[one] for one in required if one in names and one != agent["id"]]


def _remarks(path: Path, agent: dict[str, Any], source: Source) -> tuple[str, ...]:
    remarks = []
    for key, why in (("tools", "an agent brings its own"), ("outputs", "see `workflows`")):
        if agent.get(key):
            listed = agent[key] if isinstance(agent[key], list) else [agent[key]]
            remarks.append(f"{key}: {', '.join(map(str, listed))}")
            message = f"`{key}` is kept as a comment: {why}"
            source.findings.note((*path, key), message, at_key=True)
    return tuple(remarks)
