"""What the gateway costs beside other proxies, under the same load.

    python -m benchmarks.gateway [--json OUT] [--requests N] [--streams N] [--slow N] [--peers ...]

One fake LLM server, and in front of it this gateway with keys, tiers, priorities and all that is on
by default; nginx, which only passes bytes on; the LiteLLM proxy; and a proxy of Starlette and
httpx. The last two are installed on first use, into the user's cache folder. A peer that cannot be
had is left out, and ``left_out`` says why.

Figures are CPU time, user and system, of the whole process with its children, by /proc/PID/stat
before and after a load on kept connections, divided by the answers; idle time is not taken off.

- ``cpu_us_request``: microseconds a request (body of 600 bytes) with a whole answer (of 500), at
  500 requests a second, at random moments. The slow two cannot keep up with that; theirs are those
  of ``cpu_us_request_saturated``.
- ``cpu_us_request_saturated``: the same where 16 clients ask again as soon as they are answered.
  Everybody is cheaper then: nothing ever sleeps, and code and data stay in the caches.
- ``cpu_us_stream``: microseconds a streamed answer of 64 chunks, 5 ms apart, 64 at a time. The
  gateway reads such fast chunks in bursts of 20 ms; the others pass each on by itself.
- ``translated_cpu_us_stream``: the same for an Ollama client in front of the OpenAI backend.
- ``added_ms``: quantiles of the time to a whole answer through the gateway at 500 requests a
  second, less the same quantiles straight at the backend.
- ``rss_mib``: resident memory of the gateway with 1,000 open streams.
- ``ratio``: how many times as much as nginx (``…_nginx``), or as the gateway (``litellm_…``); by
  the same load.

The slow two get 2,000 of each. Loads come in rounds, each proxy in each of them, so that a busy
minute of the machine hurts all.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import uvloop

from benchmarks.peers.load import FIGURES, Ask, Load, Work
from benchmarks.peers.peers import MASTER_KEY, PEERS, agent_keys, upstream
from benchmarks.peers.process import LeftOut, Program
from benchmarks.peers.upstream import HELD, MODEL

ROUNDS = 4
RATE = 500.0
OPEN_STREAMS = 1000
SLOW = frozenset(("litellm", "starlette"))
CONNECTIONS = {"saturated": 16, "stream": 64, "translated": 64}
WARM_UP = 100
WARM_UP_CONNECTIONS = 4

_SYSTEM = (
    "You are the reviewer of a team of agents. You read what the others wrote, find what is wrong "
    "or missing, and say it in short sentences. You never rewrite their work yourself. "
)
_USER = f"Task {FIGURES.decode()}: review the plan below and list at most three faults. "


@dataclass(frozen=True)
class Options:
    requests: int
    streams: int
    slow: int
    peers: tuple[str, ...]


@dataclass
class Spent:
    """CPU seconds of a proxy, and the answers that they made."""

    seconds: float = 0.0
    answers: int = 0

    @property
    def microseconds(self) -> float:
        return round(self.seconds / self.answers * 1e6, 1)


@dataclass
class Bench:
    """The proxies that run, and what they have spent on each kind of load."""

    backend: Program
    proxies: dict[str, Program]
    spent: dict[tuple[str, str], Spent] = field(default_factory=dict)
    through: list[float] = field(default_factory=list)
    straight: list[float] = field(default_factory=list)

    async def load(self, name: str, kind: str, count: int) -> None:
        """``count`` answers of ``kind`` by one proxy."""
        proxy = self.proxies[name]
        async with Load(proxy.port, ask(name, kind)) as load:
            await load.repeat(min(count, WARM_UP), WARM_UP_CONNECTIONS)
            before = proxy.cpu_seconds()
            work = await self._apply(load, name, kind, count)
            seconds = proxy.cpu_seconds() - before
        spent = self.spent.setdefault((name, kind), Spent())
        spent.seconds += seconds
        spent.answers += work.answered

    async def ask_the_backend(self, count: int) -> None:
        """The same as the gateway is asked at the given rate, straight at the backend."""
        async with Load(self.backend.port, ask("sutazai", "request")) as load:
            self.straight += (await load.at_rate(count, RATE)).latencies

    def added_ms(self) -> dict[str, float]:
        high, low = quantiles(self.through, n=100), quantiles(self.straight, n=100)
        return {f"p{at}": round((high[at - 1] - low[at - 1]) * 1000, 3) for at in (50, 99)}

    async def _apply(self, load: Load, name: str, kind: str, count: int) -> Work:
        if kind != "request":
            return await load.repeat(count, CONNECTIONS[kind])
        work = await load.at_rate(count, RATE)
        if name == "sutazai":
            self.through += work.latencies
        return work

    async def open_streams_mib(self) -> float:
        proxy = self.proxies["sutazai"]
        async with Load(proxy.port, ask("sutazai", "held")) as load:
            await load.hold(OPEN_STREAMS)
            return round(proxy.rss_mib(), 1)


def ask(name: str, kind: str) -> Ask:
    """The request of a client of ``name``; each proxy gets the same body."""
    keys = agent_keys() if name == "sutazai" else (MASTER_KEY,)
    value: dict[str, Any] = {
        "model": HELD if kind == "held" else MODEL,
        "messages": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": _USER + "1. Collect. 2. Sort. 3. Write. " * 5},
        ],
    }
    if kind == "translated":
        value["options"] = {"temperature": 0.7, "num_predict": 64}
        return Ask("/api/chat", json.dumps(value).encode(), keys, b'"done":true')
    whole = kind not in ("stream", "held")
    value |= {"temperature": 0.7, "max_tokens": 64, "stream": not whole}
    end = b'"usage"' if whole else b"[DONE]"
    return Ask("/v1/chat/completions", json.dumps(value).encode(), keys, end)


async def measure(options: Options) -> dict[str, Any]:
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="sz") as folder, ExitStack() as running:
        backend = await _started(upstream(Path(folder)), running)
        bench = Bench(backend, {})
        for name in options.peers:
            try:
                program = PEERS[name](Path(folder), backend.port)
                bench.proxies[name] = await _started(program, running)
            except LeftOut as why:
                left_out[name] = str(why)
        gc.collect()
        gc.freeze()
        gc.disable()  # the load would pause for what it keeps to the end
        return {**await _figures(bench, options), "left_out": left_out}


async def _started(program: Program, running: ExitStack) -> Program:
    running.callback(program.stop)
    await program.ready()
    return program


async def _figures(bench: Bench, options: Options) -> dict[str, Any]:
    for _ in range(ROUNDS):
        await bench.ask_the_backend(_share(options.requests // 10))
        for name in bench.proxies:
            for kind, count in _loads(name, options).items():
                await bench.load(name, kind, _share(count))
    figures = _costs(bench)
    if "sutazai" in bench.proxies:
        figures["added_ms"] = bench.added_ms()
        figures["rss_mib"] = await bench.open_streams_mib()
    return figures


def _loads(name: str, options: Options) -> dict[str, int]:
    """How many answers of each kind a proxy gives."""
    if name in SLOW:
        return {"saturated": options.slow, "stream": options.slow}
    loads = {"request": options.requests, "saturated": options.requests, "stream": options.streams}
    return {**loads, "translated": options.streams} if name == "sutazai" else loads


def _share(count: int) -> int:
    return -(-count // ROUNDS)


def _costs(bench: Bench) -> dict[str, Any]:
    spent = {key: value.microseconds for key, value in bench.spent.items()}
    of: dict[str, dict[str, float]] = {}
    answers: dict[str, dict[str, int]] = {}
    for (name, kind), value in bench.spent.items():
        of.setdefault(kind, {})[name] = value.microseconds
        answers.setdefault(kind, {})[name] = value.answers
    saturated = of.get("saturated", {})
    figures: dict[str, Any] = {
        "cpu_us_request": {**saturated, **of.get("request", {})},
        "cpu_us_request_saturated": saturated,
        "cpu_us_stream": of.get("stream", {}),
    }
    if "translated" in of:
        figures["translated_cpu_us_stream"] = of["translated"]["sutazai"]
    return {**figures, "ratio": _ratios(spent), "answers": answers}


def _ratios(spent: dict[tuple[str, str], float]) -> dict[str, float]:
    """The comparisons that both sides were measured for."""
    wanted = {
        "request_nginx": (("sutazai", "request"), ("nginx", "request")),
        "request_saturated_nginx": (("sutazai", "saturated"), ("nginx", "saturated")),
        "stream_nginx": (("sutazai", "stream"), ("nginx", "stream")),
        "translated_nginx": (("sutazai", "translated"), ("nginx", "stream")),
        "litellm_request": (("litellm", "saturated"), ("sutazai", "saturated")),
        "litellm_stream": (("litellm", "stream"), ("sutazai", "stream")),
        "starlette_request": (("starlette", "saturated"), ("sutazai", "saturated")),
        "starlette_stream": (("starlette", "stream"), ("sutazai", "stream")),
    }
    return {
        name: round(spent[over] / spent[under], 2)
        for name, (over, under) in wanted.items()
        if over in spent and under in spent
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU of the gateway beside other proxies")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--requests", type=int, default=100_000, help="of the two fast ones")
    parser.add_argument("--streams", type=int, default=10_000, help="of the two fast ones")
    parser.add_argument("--slow", type=int, default=2_000, help="of each, for the slow two")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    given = parser.parse_args()
    options = Options(given.requests, given.streams, given.slow, tuple(given.peers))
    text = json.dumps(uvloop.run(measure(options)), indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
