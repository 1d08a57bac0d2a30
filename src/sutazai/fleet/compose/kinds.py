"""Which services are agents, which are LLM servers, and which are services.

The rule, first match counts:

1. a person names it as an agent (``--agents``), and then nobody else is one;
2. an image, or a service, called ``ollama`` is an LLM server, unless it has an entry point of its
   own, as one that only pulls models;
3. the label ``sutazai.agent`` says it: ``true`` or ``false``;
4. a word of the name begins with ``agent``, as in ``data-agent`` and ``agentgpt``;
5. the environment sets ``AGENT_NAME`` or ``AGENT_TYPE``, as agents of old do;
6. everything else is a service.
"""

from __future__ import annotations

import re
from collections.abc import Set
from enum import Enum

from sutazai.fleet.compose.source import ComposeService, Node

LABEL = "sutazai.agent"
OLD_AGENTS = ("AGENT_NAME", "AGENT_TYPE")

_AGENT_WORD = re.compile(r"(^|[^a-z0-9])agent", re.IGNORECASE)
_OLLAMA_IMAGE = re.compile(r"(^|[/-])ollama([:@}]|$)")


class Kind(Enum):
    """What a service of the Compose file becomes."""

    AGENT = "agent"
    SERVICE = "service"
    BACKEND = "backend"


def kind_of_service(service: ComposeService, agents: Set[str] | None) -> Kind:
    """What ``service`` becomes. ``agents`` are those that a person named, or None."""
    if agents is not None and service.name in agents:
        return Kind.AGENT
    if _is_ollama(service):
        return Kind.BACKEND
    if agents is not None:
        return Kind.SERVICE
    labelled = _label(service)
    is_agent = _seems_an_agent(service) if labelled is None else labelled
    return Kind.AGENT if is_agent else Kind.SERVICE


def pairs(nodes: list[Node]) -> dict[str, Node]:
    """``KEY: value`` or ``- KEY=value`` by key; the last of several counts."""
    found: dict[str, Node] = {}
    for node in nodes:
        for item in node.items():
            if isinstance(node.value, dict):
                found[str(item.path[-1])] = item
            elif isinstance(item.value, str):
                key, equals, value = item.value.partition("=")
                found[key] = Node(value if equals else None, item.path)
    return found


def _is_ollama(service: ComposeService) -> bool:
    if service.find("entrypoint") is not None:
        return False
    image = service.find("image")
    named = service.name.lower() == "ollama"
    return named if image is None else named or bool(_OLLAMA_IMAGE.search(image.value))


def _label(service: ComposeService) -> bool | None:
    label = pairs(service.all("labels")).get(LABEL)
    if label is None:
        return None
    return str(label.value).strip().lower() not in ("false", "no", "0")


def _seems_an_agent(service: ComposeService) -> bool:
    environment = pairs(service.all("environment"))
    return bool(_AGENT_WORD.search(service.name)) or any(key in environment for key in OLD_AGENTS)
