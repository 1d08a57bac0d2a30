"""An Ollama of the Compose file as a backend of the gateway."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.compose.around import Around, scalar
from sutazai.fleet.compose.draft import Entry
from sutazai.fleet.compose.interpolation import guessed
from sutazai.fleet.compose.kinds import pairs
from sutazai.fleet.compose.listening import PortBook, port_of
from sutazai.fleet.compose.quantities import parse_count
from sutazai.fleet.compose.source import ComposeService, Node
from sutazai.fleet.positions import shown

USUAL_PORT = 11434
SLOTS_MAX = 4096

_SETTINGS = {"OLLAMA_NUM_PARALLEL": "slots", "OLLAMA_MAX_LOADED_MODELS": "loaded_models"}


def backend_of(service: ComposeService, around: Around, book: PortBook) -> Entry | None:
    """``service`` as it stands under ``backends``: at the port that it publishes.

    None where it has no port of its own, as the second of two that are never run together.
    """
    port = port_of(service, around, book)
    number = port.published if port else USUAL_PORT
    if port is None and book.take(USUAL_PORT, f"`{shown(service.name)}`") is not None:
        message = f"this LLM server is left out: port {USUAL_PORT} belongs to another one"
        around.findings.note(service.path, message, "publish another port of it", at_key=True)
        return None
    around.findings.note(
        service.path,
        f"this LLM server becomes a backend at http://127.0.0.1:{number}, not a service",
        f"let it run: docker compose up -d {shown(service.name)}"
        if port
        else f"publish its port ({USUAL_PORT}:{USUAL_PORT}), and let it run in Docker",
        at_key=True,
    )
    keys = {"url": f"http://127.0.0.1:{number}", "dialect": "ollama", **_settings(service)}
    return Entry(around.names[service.name], keys, ("it goes on running outside of the fleet",))


def _settings(service: ComposeService) -> dict[str, Any]:
    environment = pairs(service.all("environment"))
    found = {}
    for name, key in _SETTINGS.items():
        count = _count(environment[name]) if name in environment else None
        if count:
            found[key] = min(count, SLOTS_MAX)
    return found


def _count(node: Node) -> int | None:
    try:
        return parse_count(guessed(scalar(node.value)))
    except ValueError:
        return None  # Ollama finds its own figure, and so does the gateway by measuring
