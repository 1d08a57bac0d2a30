"""Ollamas that the fleet starts: the units that run them, and how their models are loaded. Pure.

What Ollama takes from its environment is given there. Threads, and all that a request may ask
otherwise (context, how long a model stays), go with every call, so that no caller has a model
loaded anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from sutazai.fleet.desired import DesiredUnit, Kind, Probe, Standing
from sutazai.fleet.fit import managed_unit
from sutazai.fleet.routes import PinnedRoute
from sutazai.fleet.serving import Backend, Managed, Pinned
from sutazai.fleet.spec import Runtime
from sutazai.gateway.backends.pins import EVERY_MODEL
from sutazai.wire import Address

PROBE = Probe(path="/api/version", interval=10.0, timeout=5.0, failures=3, grace=60.0)


def managed_units(backends: Mapping[str, Backend], directory: str) -> list[DesiredUnit]:
    """A service for each backend that is to be started; versions are left to who asks."""
    return [
        DesiredUnit(
            name=managed_unit(name),
            kind=Kind.SERVICE,
            version="",
            runtime=Runtime.COMMAND,
            command=(backend.managed.command, "serve"),
            environment=environment_of(backend.managed, backend.url),
            directory=directory,
            address=backend.url,
            probe=PROBE,
            memory_limit=backend.managed.memory,
            standing=Standing.PROTECTED,
        )
        for name, backend in backends.items()
        if backend.managed is not None
    ]


def environment_of(managed: Managed, url: str) -> dict[str, str]:
    """The variables that Ollama reads at its start."""
    where = Address.parse(url)
    host = f"[{where.host}]" if ":" in where.host else where.host
    return {
        "OLLAMA_HOST": f"{host}:{where.port}",  # its own usual port is not that of URLs
        "OLLAMA_NUM_PARALLEL": str(managed.parallel),
        "OLLAMA_MAX_LOADED_MODELS": str(managed.loaded_models),
        "OLLAMA_KEEP_ALIVE": f"{round(managed.keep_alive)}s",
        "OLLAMA_CONTEXT_LENGTH": str(managed.context),
    }


def pins_of(backend: Backend) -> dict[str, PinnedRoute]:
    """How models are loaded, by name; `EVERY_MODEL` for those that are not named.

    What is said of a model goes before what is said of the whole server.
    """
    named = {model: _route(pinned) for model, pinned in backend.models.items()}
    if backend.managed is None:
        return named
    every = _over(named.pop(EVERY_MODEL, PinnedRoute()), _of_server(backend.managed))
    return {EVERY_MODEL: every, **{model: _over(pin, every) for model, pin in named.items()}}


def _route(pinned: Pinned) -> PinnedRoute:
    return PinnedRoute(context=pinned.context, options=pinned.options, keep_alive=pinned.keep_alive)


def _of_server(managed: Managed) -> PinnedRoute:
    threads = {"num_thread": managed.threads} if managed.threads else {}
    return PinnedRoute(context=managed.context, options=threads, keep_alive=managed.keep_alive)


def _over(pin: PinnedRoute, usual: PinnedRoute) -> PinnedRoute:
    return PinnedRoute(
        context=pin.context if pin.context is not None else usual.context,
        options={**usual.options, **pin.options},
        keep_alive=pin.keep_alive if pin.keep_alive is not None else usual.keep_alive,
    )
