"""What one service has to know of the others while it is turned into a unit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import chain, count

from sutazai.fleet.compose.findings import Findings
from sutazai.fleet.compose.interpolation import Written, with_defaults
from sutazai.fleet.compose.kinds import Kind
from sutazai.fleet.compose.source import ComposeService, Node
from sutazai.fleet.spec import Ports

OWN_PORTS = Ports()
_OTHER = re.compile(r"[^A-Za-z0-9]+")


@dataclass
class Variables:
    """Variables that must be set before the fleet starts, and names for secrets found in the file.

    ``taken`` are names that the file itself refers to, which may stand for something else.
    """

    taken: frozenset[str]
    needed: set[str] = field(default_factory=set)
    _secrets: dict[str, str] = field(default_factory=dict)

    def for_secret(self, service: str, key: str, secret: str) -> str:
        """The variable that shall hold ``secret``: ``KEY``, or ``SERVICE_KEY`` if that is in use.

        Equal secrets under one key share a variable.
        """
        plain = _OTHER.sub("_", key).upper().lstrip("_0123456789") or "SECRET"
        longer = f"{_OTHER.sub('_', service).upper()}_{plain}"
        names = chain((plain, longer), (f"{longer}_{number}" for number in count(2)))
        name = next(name for name in names if self._can_hold(name, secret))
        self._secrets.setdefault(name, secret)
        self.needed.add(name)
        return name

    def _can_hold(self, name: str, secret: str) -> bool:
        return name not in self.taken and self._secrets.get(name, secret) == secret


@dataclass(frozen=True)
class Around:
    """The rest of the file.

    Args:
        names: the fleet's names of the services.
        kinds: what each service becomes.
        hosts: by which host names a service is called within Compose, and which it is.
        project: name that Compose gives to what it makes.
        volumes: what the engine calls the volumes of the file, by their names there.
        adopt: whether containers that Compose runs already are to be taken.
        off: the fleet's names of services that are not enabled.
    """

    findings: Findings
    names: dict[str, str]
    kinds: dict[str, Kind]
    hosts: dict[str, str]
    variables: Variables
    project: str
    volumes: dict[str, str]
    adopt: bool
    off: frozenset[str]

    def is_backend(self, host: str) -> bool:
        """Whether calls to ``host`` reach an LLM server of the file."""
        service = self.hosts.get(host)
        return service is not None and self.kinds[service] is Kind.BACKEND

    def plain(self, node: Node) -> str:
        """The text at ``node`` for where the fleet file resolves nothing; defaults are taken."""
        text = scalar(node.value)
        try:
            written = with_defaults(text)
        except ValueError as error:
            self.findings.note(node.path, f"this cannot be carried over: {error}")
            return text
        self._tell(node, written)
        return written.text

    def _tell(self, node: Node, written: Written) -> None:
        if written.variables:
            names = ", ".join(written.variables)
            message = f"the fleet file resolves no variables here: {names}"
            self.findings.note(node.path, message, "write the value itself into the fleet file")
        elif written.defaulted:
            names = ", ".join(written.defaulted)
            message = f"the fleet file resolves no variables here: the default of {names} is taken"
            self.findings.note(node.path, message, "correct it where you set the variable")


def scalar(value: object) -> str:
    """A scalar of YAML as Compose reads it where it wants a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def hosts_of(services: dict[str, ComposeService]) -> dict[str, str]:
    """Host names within Compose's networks: names, container names, host names, aliases."""
    hosts: dict[str, str] = {}
    for name, service in services.items():
        for key in ("container_name", "hostname"):
            node = service.find(key)
            if node is not None and isinstance(node.value, str):
                hosts.setdefault(node.value, name)
        for alias in _aliases(service):
            hosts.setdefault(alias, name)
    return {**hosts, **{name: name for name in services}}


def _aliases(service: ComposeService) -> list[str]:
    networks = service.find("networks")
    if networks is None or not isinstance(networks.value, dict):
        return []
    entries = [entry for entry in networks.value.values() if isinstance(entry, dict)]
    found = [entry.get("aliases") for entry in entries]
    return [str(alias) for aliases in found if isinstance(aliases, list) for alias in aliases]
