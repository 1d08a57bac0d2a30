"""The life of one instance in its own process, forked from a zygote or started by itself."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType

import uvloop

from sutazai.agent.base import Agent
from sutazai.agent.identity import Identity
from sutazai.agent.lines import ConsoleLines, write_objects
from sutazai.agent.pages import give_back_zeros
from sutazai.agent.server import InstanceServer
from sutazai.fleet.errors import BadInput
from sutazai.wire import Client, Server

_ends: list[Callable[[], None]] = []
"""What SIGTERM calls."""

DRAIN = 8.0
"""Seconds that work in hand has to end after SIGTERM; the host's own patience is longer."""


def run(identity: Identity, listener: socket.socket) -> None:
    """Serves on a listening socket until SIGTERM. Raises what keeps the agent from starting.

    Without asyncio's Runner, whose own set-up costs each instance 50 KiB.
    """
    heed_sigterm()
    if identity.logs == "json":
        write_objects(identity)
    new_loop().run_until_complete(serve(identity, listener))


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop that takes no more memory than it uses."""
    loop = uvloop.new_event_loop()
    give_back_zeros(loop)
    return loop


@cache
def heed_sigterm() -> None:
    """From now on SIGTERM ends what `serve` does, here and in all forks, under a loop of uvloop.

    It is done once, in the zygote: the loop's own `add_signal_handler` costs each instance 190 KiB.
    """
    signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: object) -> None:
    if not _ends:
        raise SystemExit(128 + number)
    for end in _ends:
        end()


def set_up_logging() -> None:
    """Sends what agents log to the process's output."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ConsoleLines())
    level = os.environ.get("SUTAZAI_LOG_LEVEL", "INFO")
    logging.basicConfig(level=level, handlers=[handler], force=True)


async def serve(identity: Identity, listener: socket.socket) -> None:
    """Serves until SIGTERM; then lets work in hand end."""
    ended = asyncio.Event()
    _ends.append(ended.set)
    async with Client() as client:
        agent = load(identity.entry)(identity, client)
        await agent.start()
        server = Server(InstanceServer(agent).handler)
        await server.listen(listener, identity.instance)
        await ended.wait()
        await server.close(grace=DRAIN)
        await agent.stop()
    _ends.remove(ended.set)


def load(entry: str) -> type[Agent]:
    """The class that ``module:Class`` names. Raises BadInput where it is no agent."""
    module, _, name = entry.partition(":")
    found = getattr(_import(module), name, None)
    if not (isinstance(found, type) and issubclass(found, Agent)):
        raise BadInput(
            f"{entry} is not an agent class",
            hint=f"write `class {name or 'MyAgent'}(sutazai.agent.Agent)` in {module}",
        )
    return found


def _import(module: str) -> ModuleType:
    if module in sys.modules:  # a zygote has imported it
        return sys.modules[module]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise BadInput(
            f"there is no module {error.name} in {os.getcwd()}",
            hint="put it beside the fleet file, or set the agent's `directory`",
        ) from error
