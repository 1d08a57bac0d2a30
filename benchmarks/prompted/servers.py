"""The LLM server, and the gateway in front of it, as they are run."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.peers.process import START_PATIENCE, LeftOut, Program, free_port
from benchmarks.prompted.agents import Agent
from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.routes import BackendRoute, Key, Routes, TierRoute
from sutazai.fleet.serving import Cache, Queue
from sutazai.wire import Address, Client

SLOTS = 2
CONTEXT = 1024
"""Tokens of each slot: more than any request here has."""

_NO_SHARING = Cache(size="0B", share=False)


@asynccontextmanager
async def llm(folder: Path, *, prompt_cache: int) -> AsyncIterator[Address]:
    """A fresh one, with so many bytes for prompts seen before."""
    socket = folder / "llm.sock"
    command = [sys.executable, "-m", "sutazai.llm", "serve", "--socket", str(socket)]
    options = {"--slots": SLOTS, "--context": CONTEXT, "--prompt-cache": prompt_cache}
    command += [str(part) for option in options.items() for part in option]
    program = Program(command, port=0, log=folder / "llm.log")
    try:
        address = Address.parse(f"unix:{socket}")
        await _healthy(address)
        yield address
    finally:
        await asyncio.to_thread(program.stop)


@asynccontextmanager
async def gateway(
    folder: Path, backend: Address, agents: Sequence[Agent]
) -> AsyncIterator[Address]:
    """With a key for each agent, and neither answers kept nor calls computed together."""
    port, state = free_port(), folder / "state"
    state.mkdir()
    ports = {"ports": {"host": "127.0.0.1", "gateway": port}}
    (state / "config.json").write_text(json.dumps(ports))
    (state / "routes.json").write_text(_routes(backend, agents).model_dump_json())
    command = [sys.executable, "-m", "sutazai.gateway", str(state), "--own-sockets"]
    env = {"XDG_RUNTIME_DIR": str(folder)}
    program = Program(command, port=port, log=folder / "gateway.log", env=env)
    try:
        await program.ready()
        yield Address.parse(f"http://127.0.0.1:{port}")
    finally:
        await asyncio.to_thread(program.stop)


async def _healthy(address: Address) -> None:
    """Until it has loaded its model. Raises LeftOut."""
    ends = time.monotonic() + START_PATIENCE
    async with Client() as client:
        while time.monotonic() < ends:
            try:
                await client.call("GET", address, "/health")
            except SutazaiError:
                await asyncio.sleep(0.1)
            else:
                return
    raise LeftOut("the LLM server did not start")


def _routes(backend: Address, agents: Sequence[Agent]) -> Routes:
    return Routes(
        revision=1,
        backends=(
            BackendRoute(
                name="embedded",
                address=str(backend),
                dialect=Dialect.OPENAI,
                slots=SLOTS,
                embedded=True,
            ),
        ),
        tiers=(TierRoute(name="standard"),),
        keys=tuple(Key(name=each.name, secret=each.secret, agent=True) for each in agents),
        keyless=False,
        queue=Queue(wait="1h"),
        cache=_NO_SHARING,
        repeats=None,
    )
