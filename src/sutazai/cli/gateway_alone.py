"""Runs a gateway alone, in the foreground, in front of LLM servers that run already."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sutazai.cli.gateway_link import alone_places
from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadInput, Unavailable
from sutazai.fleet.places import Places
from sutazai.fleet.ports import local_port
from sutazai.gateway.app import Listening
from sutazai.gateway.standalone import Front, Standing, check_listening, run
from sutazai.gateway.stats import BackendStats
from sutazai.llm.detect import Look, look_for_ollama
from sutazai.wire import Address, Client

MODELS_SHOWN = 8
_LISTEN = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^:]*):)?(?P<port>[0-9]{1,5})")
_LOOPBACK = {"": "127.0.0.1", "localhost": "127.0.0.1"}


def run_alone(
    backends: Sequence[str],
    dialect: Dialect | None,
    *,
    listen: str,
    slots: int | None,
    state: Path | None,
) -> None:
    """Serves until Ctrl-C. Without ``backends`` an Ollama is looked for on its usual place."""
    listening = parse_listen(listen)
    addresses = tuple(dict.fromkeys(map(parse_backend, backends)))
    check_listening(listening, Front(addresses))
    front = Front(addresses or (_usual_ollama(listening),), dialect, slots)
    # Only what changes later is news: how things stand at the start is told below.
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    run(_places(state), listening, front, told=_tell)


def parse_listen(text: str) -> Listening:
    """``HOST:PORT`` or ``PORT``. Raises BadInput."""
    match = _LISTEN.fullmatch(text.strip())
    if match is None or int(match["port"]) > 65535:
        raise BadInput(f"not an address to listen on: {text!r}", hint="write 127.0.0.1:10104")
    host = match["host"] or ""
    return Listening(_LOOPBACK.get(host, host.strip("[]")), int(match["port"]))


def parse_backend(text: str) -> str:
    """A server's address in `wire` form; without a scheme it is taken for ``http``."""
    named = text if "://" in text or text.startswith("unix:") else f"http://{text}"
    return str(Address.parse(named))


def lines_of(standing: Standing) -> Iterable[str]:
    """What a person needs to know once it serves."""
    yield f"gateway on {standing.url}; Ctrl-C ends it"
    yield ""
    yield f"  export OLLAMA_HOST={standing.url}"
    yield f"  export OPENAI_BASE_URL={standing.url}/v1"
    yield ""
    for backend in standing.backends:
        yield f"backend {backend.name}: {_how_it_is(backend)}"


def _how_it_is(backend: BackendStats) -> str:
    if not backend.available:
        return f"not available ({backend.reason}); it is tried again until it is"
    if not backend.models:
        return "it answers, and lists no models"
    more = len(backend.models) - MODELS_SHOWN
    shown = ", ".join(backend.models[:MODELS_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def _tell(standing: Standing) -> None:
    print("\n".join(lines_of(standing)), flush=True)
    logging.getLogger("sutazai.gateway").setLevel(logging.INFO)


def _places(state: Path | None) -> Places:
    return Places.of(state) if state is not None else alone_places()


def _usual_ollama(listening: Listening) -> str:
    """The address of the Ollama that answers on its usual place. Raises Unavailable."""
    look = asyncio.run(_look(listening))
    if look.ollama is None:
        raise Unavailable(
            f"no LLM server was named, and {look.reason}",
            hint="start one: ollama serve\n"
            "or name one that runs, or that will: sutazai gateway --backend http://HOST:PORT",
        )
    return str(look.ollama.address)


async def _look(listening: Listening) -> Look:
    async with Client() as client:
        return await look_for_ollama(client, environ=_environment(listening))


def _environment(listening: Listening) -> Mapping[str, str]:
    """Without an ``OLLAMA_HOST`` that means this very gateway, as programs are told to set it."""
    host = os.environ.get("OLLAMA_HOST", "")
    named = host if "://" in host else f"http://{host}"
    return {} if local_port(named) == listening.port else {"OLLAMA_HOST": host}
