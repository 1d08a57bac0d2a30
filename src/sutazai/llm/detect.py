"""Whether an Ollama runs here already, and what it has: one look, of one second at most."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.errors import BadInput, BadPeer, ConnectFailed, SutazaiError
from sutazai.wire import Address, Client

USUAL_PORT = 11434
DEADLINE = 1.0
"""Seconds that the whole look may take."""

_HOST = re.compile(r"(?:(?P<scheme>https?)://)?(?P<place>[^/]*)(?P<base>/.*)?")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,64}")
_PORT = re.compile(r":[0-9]+$")
_SCHEME_PORTS = {"http": 80, "https": 443}
_EVERY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}  # noqa: S104


@dataclass(frozen=True)
class Ollama:
    """An Ollama that answers. ``models`` are installed, ``running`` are loaded in memory."""

    address: Address
    version: str
    models: tuple[str, ...] = ()
    running: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """What came of looking: an Ollama, or None and the reason why there is none.

    ``address`` is where it was looked for; None where OLLAMA_HOST names no place.
    """

    address: Address | None
    ollama: Ollama | None
    reason: str = ""


async def detect_ollama(
    client: Client, *, environ: Mapping[str, str] = os.environ
) -> Ollama | None:
    """The Ollama that answers where ``OLLAMA_HOST`` says, or on its usual port."""
    return (await look_for_ollama(client, environ=environ)).ollama


async def look_for_ollama(client: Client, *, environ: Mapping[str, str] = os.environ) -> Look:
    """As `detect_ollama`, with the reason where there is none. Never raises a SutazaiError."""
    try:
        address = ollama_address(environ.get("OLLAMA_HOST", ""))
    except BadInput as error:
        return Look(None, None, f"OLLAMA_HOST is {error.message}")
    try:
        async with asyncio.timeout(DEADLINE):
            return Look(address, await _ask(client, address))
    except TimeoutError:
        return Look(address, None, f"{address} did not answer within {DEADLINE:g} s")
    except ConnectFailed:
        return Look(address, None, f"nothing answers at {address}")
    except SutazaiError as error:
        return Look(address, None, f"what answers at {address} is no Ollama: {error.message}")


def ollama_address(host: str) -> Address:
    """The address that a value of OLLAMA_HOST stands for, read as Ollama's own client does.

    A bare host is on the usual port, a URL on its scheme's; "every address" means loopback to a
    client. Raises BadInput.
    """
    text = host.strip().strip("'\"")
    match = _HOST.fullmatch(text)
    if match is None:
        raise BadInput(f"not an address: {host!r}")
    scheme = match["scheme"]
    usual = _SCHEME_PORTS[scheme] if scheme else USUAL_PORT
    name, port = _split(match["place"], usual)
    name = _EVERY_ADDRESS.get(name, name)
    return Address.parse(f"{scheme or 'http'}://{name}:{port}{match['base'] or ''}")


def _split(place: str, usual: int) -> tuple[str, int]:
    bare_ipv6 = place.count(":") > 1 and not place.startswith("[")
    if bare_ipv6:
        return f"[{place}]", usual
    found = _PORT.search(place)
    return (place[: found.start()], int(found[0][1:])) if found else (place, usual)


async def _ask(client: Client, address: Address) -> Ollama:
    """Raises what the client raises, and BadPeer for answers that Ollama does not give."""
    answer = await client.call("GET", address, "/api/version")
    version = answer.get("version") if isinstance(answer, dict) else None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise BadPeer("it does not tell Ollama's version")
    models = _names(await client.call("GET", address, "/api/tags"))
    return Ollama(address, version, models, await _loaded(client, address))


async def _loaded(client: Client, address: Address) -> tuple[str, ...]:
    """Names of the models in memory; none where an old Ollama does not know the question."""
    try:
        return _names(await client.call("GET", address, "/api/ps"))
    except SutazaiError:
        return ()


def _names(answer: Any) -> tuple[str, ...]:
    """Names in a list of models. Raises BadPeer."""
    if not isinstance(answer, dict) or "models" not in answer:
        raise BadPeer("it does not tell its models")
    models = answer["models"] or []  # null where there is none
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise BadPeer("its models are no list of models")
    return tuple(model["name"] for model in models if isinstance(model.get("name"), str))
