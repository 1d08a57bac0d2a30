"""The environment of a service: references stay, secrets do not, LLM calls to the gateway."""

from __future__ import annotations

import re

from sutazai.fleet.compose.around import Around, scalar
from sutazai.fleet.compose.interpolation import NAME, as_references, guessed
from sutazai.fleet.compose.kinds import Kind, pairs
from sutazai.fleet.compose.network import in_host_network
from sutazai.fleet.compose.secrecy import is_secret, is_secret_name, url_password
from sutazai.fleet.compose.source import ComposeService, Node
from sutazai.fleet.desired import GATEWAY
from sutazai.fleet.positions import shown
from sutazai.fleet.secrets import FILE_PREFIX

SET_BY_HOST = ("OLLAMA_HOST", "OPENAI_BASE_URL", "OPENAI_API_KEY")
"""What the host tells every agent that is no Python of ours; it leads to the gateway."""

_TO_OLLAMA = re.compile(r"OLLAMA_(HOST|(API_)?(BASE(_URL)?|URL|ENDPOINT))")
_URL = re.compile(r"https?://([^/:\s@]+)(?::\d+)?(/[^\s$]*)?")
_IN_ADDRESS = re.compile(
    r"(?:://|@)([A-Za-z0-9][A-Za-z0-9_.-]*)(?=[:/,?]|$)|(?:^|,)([A-Za-z0-9][A-Za-z0-9_.-]*)(?=:\d)"
)
_FOR_A_HOST = re.compile(r"(^|_)(HOST|HOSTNAME|SERVER|ADDR|ADDRESS|ENDPOINT)S?$")


def environment_of(service: ComposeService, around: Around) -> dict[str, str]:
    """What the fleet file says under ``environment``; what it cannot say is found."""
    kind = around.kinds[service.name]
    written: dict[str, str] = {}
    for key, node in pairs(service.all("environment")).items():
        if isinstance(node.value, (dict, list)):
            around.findings.note(node.path, "a variable must be a text", "write one text")
        elif kind is Kind.AGENT and key in SET_BY_HOST:
            _left_to_host(key, node, around)
        else:
            text = _value(service, key, node, around)
            if text is not None:
                written[key] = text
    _tell_of_hosts(service, around)
    return written


def _left_to_host(key: str, node: Node, around: Around) -> None:
    message = f"`{shown(key)}` is left out: the host sets it, so that the agent asks the gateway"
    hint = None if key == "OPENAI_API_KEY" else _hint_of_gateway(node, around, Kind.AGENT)
    around.findings.note(node.path, message, hint)


def _hint_of_gateway(node: Node, around: Around, kind: Kind) -> str:
    if _is_backend(_pointed_at(node), around) and kind is Kind.AGENT:
        return "the gateway hands the calls on, and knows the agent by its key"
    if _is_backend(_pointed_at(node), around):
        return "it asks for a key: declare one under `clients`, and write {gateway}/key/KEY"
    return "where it led to a server outside of this file, declare that under `backends`"


def _value(service: ComposeService, key: str, node: Node, around: Around) -> str | None:
    if node.value is None:
        return _handed_on(key, node, around)
    text = scalar(node.value)
    path, kind = _path_to_llm(key, node, around), around.kinds[service.name]
    if path is not None:
        message = f"`{shown(key)}` led to an LLM server; it is set to the gateway"
        around.findings.note(node.path, message, _hint_of_gateway(node, around, kind))
        return GATEWAY + path
    if text.startswith(FILE_PREFIX):
        message = f"`{shown(key)}` is left out: a fleet file reads `file:…` as the file of a secret"
        around.findings.note(node.path, message, "put it into a file, and write `file:PATH` here")
        return None
    return _referring(service, key, node, around)


def _handed_on(key: str, node: Node, around: Around) -> str | None:
    """A variable without a value: Compose takes it from its own environment."""
    if not NAME.fullmatch(key):
        around.findings.note(node.path, "this is no name of a variable, and is left out")
        return None
    around.variables.needed.add(key)
    return f"${{{key}}}"


def _referring(service: ComposeService, key: str, node: Node, around: Around) -> str | None:
    text = scalar(node.value)
    try:
        if is_secret(key, text) and not as_references(text).variables:
            return _kept_out(service, key, text, node, around)
        if found := url_password(text):
            name = _kept_out(service, f"{key}_PASSWORD", found[2], node, around)
            text = text[: found.start(2)] + name + text[found.end(2) :]
        written = as_references(text)
    except ValueError as error:
        around.findings.note(
            node.path, f"`{shown(key)}` is left out: {error}", "write it another way"
        )
        return None
    around.variables.needed.update(written.variables)
    if written.defaulted:
        names = ", ".join(written.defaulted)
        message = f"a fleet file has no defaults of variables: {names}"
        around.findings.note(node.path, message, "set it before `sutazai up`")
    return written.text


def _kept_out(service: ComposeService, key: str, secret: str, node: Node, around: Around) -> str:
    """A reference in place of a secret that the Compose file holds itself."""
    name = around.variables.for_secret(around.names[service.name], key, secret)
    around.findings.note(
        node.path,
        f"this holds a secret itself; the fleet file says `${{{name}}}` instead",
        f"set {name} before `sutazai up`, or write `file:PATH`",
    )
    return f"${{{name}}}"


def _path_to_llm(key: str, node: Node, around: Around) -> str | None:
    """What follows the host where the variable leads to an LLM server; None where it does not."""
    url = _pointed_at(node)
    if is_secret_name(key) or not (_TO_OLLAMA.fullmatch(key) or _is_backend(url, around)):
        return None
    return (url[2] or "").rstrip("/") if url else ""


def _pointed_at(node: Node) -> re.Match[str] | None:
    text = guessed(scalar(node.value))
    return _URL.fullmatch(text if "://" in text else f"http://{text}")


def _is_backend(url: re.Match[str] | None, around: Around) -> bool:
    return url is not None and around.is_backend(url[1])


def _tell_of_hosts(service: ComposeService, around: Around) -> None:
    """Names of Compose's networks that mean nothing in a fleet."""
    found: dict[str, Node] = {}
    for key, node in pairs(service.all("environment")).items():
        for host in _hosts_in(key, guessed(scalar(node.value))):
            if _is_lost(host, service, around):
                found.setdefault(host, node)
    if found:
        first = next(iter(found.values()))
        names = ", ".join(f"`{shown(name)}`" for name in found)
        around.findings.note(
            first.path,
            f"its environment calls others by Compose's host names: {names}",
            "in a fleet containers call each other by the names of their units; with `network: "
            "host`, at 127.0.0.1 and their `port`",
        )


def _is_lost(host: str, service: ComposeService, around: Around) -> bool:
    """Whether a name of Compose's networks is none in the fleet's."""
    if host not in around.hosts or around.is_backend(host):
        return False
    return in_host_network(service) or around.names[around.hosts[host]] != host


def _hosts_in(key: str, text: str) -> list[str]:
    """What stands in ``text`` where a host stands: in an address, or alone in `…_HOST`."""
    if _FOR_A_HOST.search(key):
        return [text, *_in_addresses(text)]
    return _in_addresses(text)


def _in_addresses(text: str) -> list[str]:
    return [match[1] or match[2] for match in _IN_ADDRESS.finditer(text)]
