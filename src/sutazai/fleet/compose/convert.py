"""A whole Compose file turned into a fleet file."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from sutazai.fleet.compose.around import Around, Variables, hosts_of
from sutazai.fleet.compose.backend import backend_of
from sutazai.fleet.compose.dependencies import check_order
from sutazai.fleet.compose.draft import Draft, Entry
from sutazai.fleet.compose.findings import Findings
from sutazai.fleet.compose.kinds import Kind, kind_of_service
from sutazai.fleet.compose.leftovers import tell_of_top
from sutazai.fleet.compose.listening import PortBook
from sutazai.fleet.compose.names import fleet_name, fleet_names
from sutazai.fleet.compose.source import ComposeFile, read_compose
from sutazai.fleet.compose.unit import unit_of
from sutazai.fleet.compose.volumes import names_of_volumes
from sutazai.fleet.compose.writing import fleet_text
from sutazai.fleet.errors import BadInput
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.positions import shown
from sutazai.fleet.problems import Problem

_REFERENCE = re.compile(r"(?<!\$)\$\{?([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class Imported:
    """A Compose file as a fleet file.

    Args:
        text: the fleet file, in YAML with comments.
        agents: names in the fleet, and so are `services` and `backends`.
        variables: names that must be set before the fleet starts.
        findings: what a person has to look at, in the order of the Compose file.
    """

    text: str
    agents: tuple[str, ...]
    services: tuple[str, ...]
    backends: tuple[str, ...]
    variables: tuple[str, ...]
    findings: tuple[Problem, ...]


def convert(
    text: str,
    *,
    file: str,
    project: str,
    agents: Collection[str] | None = None,
    adopt: bool = False,
) -> Imported:
    """The fleet file for the Compose file ``text``.

    Args:
        file: what it is called in messages.
        project: its name where it does not say one itself, mostly its folder's.
        agents: names of the services that are agents; without them see `kinds`.
        adopt: whether containers that Compose runs already are to be taken, each by its name.

    Raises BadCompose with every place where it is no Compose file, BadInput for unknown ``agents``.
    """
    compose, findings = read_compose(text, file)
    check_order(compose.services, findings)
    findings.raise_errors()
    _check_agents(agents, compose)
    around = _around(compose, findings, text, project, agents, adopt=adopt)
    draft = _draft(compose, around, file)
    return Imported(
        fleet_text(draft),
        _names(draft.agents),
        _names(draft.services),
        _names(draft.backends),
        tuple(sorted(around.variables.needed)),
        findings.all,
    )


def _check_agents(agents: Collection[str] | None, compose: ComposeFile) -> None:
    for name in agents or ():
        if name not in compose.services:
            hint = did_you_mean(name, compose.services)
            raise BadInput(f"the Compose file has no service `{shown(name)}`", hint=hint)


def _around(
    compose: ComposeFile,
    findings: Findings,
    text: str,
    project: str,
    agents: Collection[str] | None,
    *,
    adopt: bool,
) -> Around:
    chosen = None if agents is None else frozenset(agents)
    named = compose.top.get("name")
    called = _project(named if isinstance(named, str) and "$" not in named else project)
    names = fleet_names(compose.services)
    kinds = {name: kind_of_service(one, chosen) for name, one in compose.services.items()}
    return Around(
        findings=findings,
        names=names,
        kinds=kinds,
        hosts=hosts_of(compose.services),
        variables=Variables(frozenset(_REFERENCE.findall(text))),
        project=called,
        volumes=names_of_volumes(compose.top, called),
        adopt=adopt,
        off=frozenset(
            names[name]
            for name, one in compose.services.items()
            if kinds[name] is Kind.SERVICE and one.find("profiles") is not None
        ),
    )


def _project(name: str) -> str:
    """A project's name as Compose writes it before the names of images."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-") or "compose"


def _draft(compose: ComposeFile, around: Around, file: str) -> Draft:
    book = PortBook()
    entries: dict[Kind, list[Entry]] = {kind: [] for kind in Kind}
    for name, service in compose.services.items():
        kind = around.kinds[name]
        make = backend_of if kind is Kind.BACKEND else unit_of
        entry = make(service, around, book)
        entries[kind] += [entry] if entry is not None else []
    tell_of_top(compose, around)
    return Draft(
        name=fleet_name(around.project, otherwise="fleet"),
        remarks=_head(file, around),
        backends=entries[Kind.BACKEND],
        agents=entries[Kind.AGENT],
        services=entries[Kind.SERVICE],
    )


def _head(file: str, around: Around) -> tuple[str, ...]:
    variables = sorted(around.variables.needed)
    return (
        f"Made from {file} by `sutazai import`. Every key is described in docs/fleet-file.md.",
        *(_ADOPTED if around.adopt else _NEW),
        *(("Set before `sutazai up`, or put `file:PATH` in their place:",) if variables else ()),
        *(f"  {name}" for name in variables),
    )


_NEW = ("Stop what Compose runs of it before `sutazai up`: docker compose down. Volumes stay.",)
_ADOPTED = ("What Compose runs already is taken as it is, by `container_name`, and never stopped.",)


def _names(entries: list[Entry]) -> tuple[str, ...]:
    return tuple(entry.name for entry in entries)
