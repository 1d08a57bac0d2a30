"""The fleet file's data with the built-in agents that it asks for merged in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sutazai.fleet.alert_defaults import ALERTS, OBJECTIVES
from sutazai.fleet.alerting import over_defaults
from sutazai.fleet.document import Document
from sutazai.fleet.explain import did_you_mean, kind_of
from sutazai.fleet.positions import Path, Place, Positions, shown
from sutazai.fleet.problems import Problem

Catalogue = Mapping[str, Mapping[str, Any]]
"""Built-in agents: the fields of `Agent` by name, as they would stand in a file."""

DEEP = ("health", "sampling")
"""What an entry of the user's merges key by key; everything else it replaces as a whole."""

SECTIONS = ("agents", "services", "backends", "tiers", "clients")
"""Whose entries may have nothing but their name: all defaults."""

_FREE = ("options", "environment")
_OF_RUNTIME = {
    "python": {"class", "prompt", "options"},
    "command": {"command"},
    "container": {
        "image",
        "command",
        "entrypoint",
        "volumes",
        "container_port",
        "container_name",
        "network",
        "user",
        "read_only",
    },
    "remote": {"url"},
}
_RUNTIME_KEYS = set().union(*_OF_RUNTIME.values())


@dataclass(frozen=True)
class Assembled:
    """Data as `Fleet` takes it, where it stands, and what is wrong with its `catalogue:`."""

    data: dict[str, Any]
    positions: Positions
    problems: tuple[Problem, ...]


def assemble(document: Document, catalogue: Catalogue) -> Assembled:
    """The data of ``document`` with its part of ``catalogue``; built-in agents come first.

    A key without a value is as if not written, or, over a built-in agent, takes its value away.
    ``document.data`` must be a mapping.
    """
    data = dict(document.data)
    chosen, problems = _chosen(data.get("catalogue"), catalogue, document.positions)
    if problems:
        del data["catalogue"]
    own = data.get("agents")
    if own is None or isinstance(own, dict):
        data["agents"] = _merged(chosen, own or {}, data)
    for section, built_in in (("alerts", ALERTS), ("objectives", OBJECTIVES)):
        if section in data:
            data[section] = over_defaults(data[section], built_in)
    positions = _with_built_in(document.positions, chosen)
    return Assembled(_without_nothing(data), positions, tuple(problems))


def _chosen(
    wanted: Any, catalogue: Catalogue, positions: Positions
) -> tuple[dict[str, Mapping[str, Any]], list[Problem]]:
    if wanted in ("all", "none", None):
        return (dict(catalogue) if wanted == "all" else {}), []
    if not isinstance(wanted, list):
        hint = f"write `[{shown(wanted)}]`" if isinstance(wanted, str) else None
        message = f"`catalogue` must be all, none or a list of names, not {_said(wanted)}"
        return {}, [positions.problem(("catalogue",), message, hint=hint)]
    known = {*catalogue, *(str(agent.get("group")) for agent in catalogue.values())}
    names = {item for item in wanted if isinstance(item, str)}
    unknown = [
        _unknown(item, positions, at, known)
        for at, item in enumerate(wanted)
        if not isinstance(item, str) or item not in known
    ]
    return {
        name: agent for name, agent in catalogue.items() if names & {name, agent.get("group")}
    }, unknown


def _said(value: Any) -> str:
    return f"`{shown(value)}`" if isinstance(value, str) else kind_of(value)


def _unknown(item: Any, positions: Positions, at: int, known: set[str]) -> Problem:
    path = ("catalogue", at)
    if not isinstance(item, str):
        return positions.problem(path, f"`catalogue` lists names, not {kind_of(item)}")
    hint = did_you_mean(item, known) or "groups and names stand in docs/fleet-file.md"
    return positions.problem(
        path, f"the catalogue has no agent or group `{shown(item)}`", hint=hint
    )


def _merged(
    chosen: Mapping[str, Mapping[str, Any]], own: dict[str, Any], data: Mapping[str, Any]
) -> dict[str, Any]:
    services = data.get("services")
    known = {*chosen, *own, *(services if isinstance(services, dict) else ())}
    merged = {name: _known_only(agent, known) for name, agent in chosen.items()}
    for name, entry in own.items():
        merged[name] = _overridden(merged.get(name, {}), entry)
    return merged


def _known_only(agent: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """A built-in agent without references to others that this fleet does not take in."""
    kept = dict(agent)
    if kept.get("lead") not in known:
        kept.pop("lead", None)
    if "depends_on" in kept:
        kept["depends_on"] = [name for name in kept["depends_on"] if name in known]
    return kept


def _overridden(agent: Mapping[str, Any], entry: Any) -> Any:
    if entry is None:
        return dict(agent)
    if not isinstance(entry, dict):
        return entry  # refused later, where it stands
    merged = {**_without_old_runtime(agent, entry), **entry}
    for key in DEEP:
        mine, theirs = entry.get(key), agent.get(key)
        if isinstance(mine, dict) and isinstance(theirs, Mapping):
            merged[key] = {**theirs, **mine}
    return merged


def _without_old_runtime(agent: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """The built-in's fields, less those that only its own runtime uses, where another is chosen."""
    runtime = entry.get("runtime")
    if not isinstance(runtime, str) or runtime not in _OF_RUNTIME:
        return dict(agent)
    foreign = _RUNTIME_KEYS - _OF_RUNTIME[runtime]
    return {key: value for key, value in agent.items() if key not in foreign}


def _with_built_in(positions: Positions, chosen: Mapping[str, Any]) -> Positions:
    """Points at `catalogue:` for built-in agents that the user wrote nothing about."""
    place = positions.of_value(("catalogue",))
    added: dict[Path, Place] = {("agents", name): place for name in chosen}
    return replace(positions, keys={**added, **positions.keys})


def _without_nothing(data: dict[str, Any]) -> dict[str, Any]:
    """Without keys that have no value; entries of sections that have none take all defaults."""
    kept = {}
    for key, value in data.items():
        if key in SECTIONS and isinstance(value, dict):
            kept[key] = {
                name: _filled({} if entry is None else entry) for name, entry in value.items()
            }
        elif value is not None:
            kept[key] = _filled(value)
    return kept


def _filled(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: each if key in _FREE else _filled(each)
        for key, each in value.items()
        if each is not None
    }
