"""Who is served, and how well, when many more ask than can be: through the gateway, and without.

    python -m benchmarks.saturation [--json OUT] [--agents N] [--rounds N] [--direct SECONDS]

A thousand agents with keys of their own ask one LLM server with four slots (a fake one, with rates
of reading and writing, and with caches, as real ones have): once through a real gateway process,
once straight, where the server serves first come first served. Agents of medium priority are always
backlogged: each has four requests under way and asks again as soon as one is answered; the first of
them is greedy and has as many under way as all the others together. Some agents of high priority
ask at random moments, to 0.3 of what the slots can do, some of low priority to 0.05. All that is
asked comes to about one and a half of what can be served. One request in ten is given up by its
client, half of them in the queue.

Measured once everybody is backlogged, until each of them has had ten answers and more; straight at
the server, with the same agents, for a time that is given. Figures for ``sutazai`` and ``direct``:

- ``jain``: Jain's index over the seconds of a slot that backlogged agents had, the greedy one among
  them: all have the same priority (``…_without_greedy``: without that one).
- ``high_wait_p99_service_times``: wait of requests of high priority from their sending to a slot,
  in mean times that a request holds one; for those that had none yet, as long as is known.
- ``slot_utilisation``: share of the time in which slots were in use.
- ``wasted_token_share``: of the tokens that the server read and wrote, those after the client had
  left.
- ``lost``: wrong answers, answers that the server never gave, requests that no server knows of
  though their clients wait. ``duplicated``: requests that the server computed more than once.
- ``requests_least``, ``requests_greedy``: answers of the backlogged agent with the fewest, and of
  the greedy one; ``prompts_found_on_their_slot``: share of starts; and what else there is to know.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.peers.process import Program, free_port
from benchmarks.saturated.agents import Agent, Load, Work, fleet
from benchmarks.saturated.backend import READ_RATE, SLOTS, WRITE_RATE, Job
from benchmarks.saturated.ledger import Ledger, Window
from sutazai.fleet.declared import Dialect, Priority
from sutazai.fleet.places import Places
from sutazai.fleet.routes import BackendRoute, Key, Routes, TierRoute
from sutazai.wire import Address, Client

WORK = Work()
SETTLE = 2.0
"""Seconds from the last first request to the begin of what is measured."""

LOOK_EVERY = 0.5
SETTLED_WITHIN = 5.0
GIVE_UP = 300.0


@dataclass(frozen=True)
class Options:
    agents: int
    rounds: int
    direct: float


@dataclass(frozen=True)
class Server:
    """What the agents ask: its port, and how many requests it knows of."""

    port: int
    held: Callable[[], Awaitable[int]]


async def measure(options: Options) -> dict[str, Any]:
    agents = fleet(options.agents)
    through = await measure_one(agents, options, gateway=True)
    direct = await measure_one(agents, options, gateway=False)
    return {
        "agents": options.agents,
        "slots": SLOTS,
        **{name: {"sutazai": through[name], "direct": direct[name]} for name in through},
    }


async def measure_one(agents: list[Agent], options: Options, *, gateway: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="sz") as folder:
        async with Client() as client, running(_backend(Path(folder))) as backend:
            at_backend = Address.parse(f"http://127.0.0.1:{backend.port}")

            async def held() -> int:
                return int(await client.call("GET", at_backend, "/held"))

            if not gateway:
                server = Server(backend.port, held)
                return await _observe(client, at_backend, server, agents, seconds=options.direct)
            async with running(_gateway(Path(folder), backend.port, agents)) as program:
                server = Server(program.port, _held_by(client, Path(folder)))
                return await _observe(client, at_backend, server, agents, rounds=options.rounds)


async def _observe(
    client: Client,
    backend: Address,
    server: Server,
    agents: list[Agent],
    *,
    seconds: float = GIVE_UP,
    rounds: int | None = None,
) -> dict[str, float]:
    """The figures of one server under the load of all agents."""
    capacity = SLOTS / WORK.seconds(READ_RATE, WRITE_RATE)
    async with Load(server.port, agents, work=WORK, capacity=capacity) as load:
        began = time.monotonic()
        await load.begin()
        await asyncio.sleep(SETTLE)
        begins = time.monotonic()
        while time.monotonic() < begins + seconds:
            await asyncio.sleep(LOOK_EVERY)
            if rounds is not None and min(load.counts_since(begins).values()) >= rounds:
                break
        window = Window(begins, time.monotonic())
        load.stopped = True
        missing = await _missing(load, server)
        asked = [replace(each) for each in load.asked]  # before the server's: it goes on
        jobs = [Job(system="", **job) for job in await client.call("GET", backend, "/ledger")]
    ledger = Ledger(
        asked,
        jobs,
        backlogged=[agent.name for agent in agents if agent.under_way],
        high=frozenset(agent.name for agent in agents if agent.priority is Priority.HIGH),
        window=window,
        missing=missing,
    )
    sent = len(asked) / capacity / (window.ends - began)
    return {**ledger.figures(), "asked_of_capacity": round(sent, 2)}


async def _missing(load: Load, server: Server) -> int:
    """Requests that agents wait for and the server does not know, or the other way round; looked at
    until the two agree, for they are not counted at the same moment."""
    ends, least = time.monotonic() + SETTLED_WITHIN, sys.maxsize
    while least and time.monotonic() < ends:
        held = await server.held()
        least = min(least, abs(load.open - held))
        await asyncio.sleep(0.02)
    return least


# the programs


@asynccontextmanager
async def running(program: Program) -> AsyncIterator[Program]:
    try:
        await program.ready()
        yield program
    finally:
        await asyncio.to_thread(program.stop)


def _backend(folder: Path) -> Program:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.saturated.backend", str(port)]
    return Program(command, port=port, log=folder / "backend.log")


def _gateway(folder: Path, backend: int, agents: list[Agent]) -> Program:
    port, state = free_port(), folder / "state"
    state.mkdir()
    ports = {"ports": {"host": "127.0.0.1", "gateway": port}}
    (state / "config.json").write_text(json.dumps(ports))
    (state / "routes.json").write_text(_routes(backend, agents).model_dump_json())
    command = [sys.executable, "-m", "sutazai.gateway", str(state), "--own-sockets"]
    env = {"XDG_RUNTIME_DIR": str(folder)}
    return Program(command, port=port, log=folder / "gateway.log", env=env)


def _routes(backend: int, agents: list[Agent]) -> Routes:
    url = f"http://127.0.0.1:{backend}"
    return Routes(
        revision=1,
        backends=(BackendRoute(name="one", address=url, dialect=Dialect.OPENAI, slots=SLOTS),),
        tiers=(TierRoute(name="standard"),),
        keys=tuple(
            Key(name=agent.name, secret=agent.secret, priority=agent.priority, agent=True)
            for agent in agents
        ),
        keyless=False,
    )


def _held_by(client: Client, folder: Path) -> Callable[[], Awaitable[int]]:
    """Requests in the gateway's queue and on slots."""
    socket = next(folder.glob("sutazai/*")) / Places.of(folder / "state").gateway_socket.name
    address = Address.parse(f"unix:{socket}")

    async def held() -> int:
        stats = await client.call("GET", address, "/stats")
        return int(sum(stats["queued"].values()) + stats["running"])

    return held


def main() -> None:
    parser = argparse.ArgumentParser(description="Service to many agents, with the gateway or not")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10, help="answers of each backlogged agent")
    parser.add_argument("--direct", type=float, default=60.0, help="seconds straight at the server")
    given = parser.parse_args()
    gc.disable()  # a pause of the agents would look like one of the server
    text = json.dumps(
        uvloop.run(measure(Options(given.agents, given.rounds, given.direct))), indent=2
    )
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
