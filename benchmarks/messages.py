"""Messages between agents, beside the HTTP calls that they make today.

    python -m benchmarks.messages [--json OUT] [--messages N] [--broker-messages N]
        [--http-messages N] [--pairs N] [--at-once N]

Real processes: a gateway with its broker, and pairs of agents, each an instance of the SDK in a
process of its own. Every sender has ``--at-once`` messages of 1 KiB under way; a message counts
when it is acknowledged (with the embedded broker: flushed to disk) and its handler has returned.
NATS JetStream and RabbitMQ are real servers on this machine behind the same gateway. For `httpx`
and `requests` the same pairs have a FastAPI server in the receiver and the client in the sender,
with as many calls under way, over kept connections.

- ``messages_per_second``: of all pairs together, from the first to the last that was handled.
- ``cpu_us_per_message``: of our processes, all of them together (sender, gateway, receiver); for
  HTTP of sender and receiver. ``broker_cpu_us_per_message``: of the server of NATS or RabbitMQ.
- ``p99_ms``: from sending to the acknowledgement; for HTTP, to the answer.
- ``ratio_http``: messages a second against each way of HTTP.
- ``lost``: acknowledged and never handled. ``twice``: handled more than once.

What is not installed here is left out and said so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.process import LeftOut, free_port
from sutazai.fleet.facts import Endpoint, EndpointFacts
from sutazai.fleet.messaging import Broker, BusSpec
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Door, Key, Routes
from sutazai.wire import Address, Client, Timeout
from tests.bus.servers import Missing, nats_server, rabbitmq_server

WARM_UP = 1000
STARTING = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Of a process and those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def session_cpu_seconds(leader: int) -> float:
    """Of a server and all that it has started."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended
        if int(fields[3]) == leader:
            total += sum(map(int, fields[11:13])) / _TICKS
    return total


class Fleet:
    """A gateway and pairs of agents in processes of their own."""

    def __init__(self, folder: Path, pairs: int, bus: BusSpec) -> None:
        self.folder = folder
        self.pairs = pairs
        self.bus = bus
        os.environ["XDG_RUNTIME_DIR"] = str(folder)
        self.places = Places.of(folder / "state")
        self.processes: list[subprocess.Popen[bytes]] = []

    async def start(self, client: Client) -> None:
        self.places.state.mkdir()
        self.places.runtime.mkdir(parents=True, mode=0o700)
        self._write()
        self._run("sutazai.gateway", str(self.places.state), "--own-sockets")
        for name in self.names:
            self._run("benchmarks.messaging.agents", json.dumps(self._identity(name)))
        for name in self.names:
            await _answers(client, Address.parse(f"unix:{self._socket(name)}"))
        await _answers(client, Address.parse(f"unix:{self.places.gateway_socket}"), "/stats")

    @property
    def names(self) -> list[str]:
        return [f"{kind}-{number}" for number in range(self.pairs) for kind in ("ann", "bob")]

    def _run(self, module: str, *words: str) -> None:
        log = (self.folder / f"{len(self.processes)}.log").open("wb")
        command = [sys.executable, "-m", module, *words]
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def _write(self) -> None:
        config = {"ports": {"host": "127.0.0.1", "gateway": free_port()}}
        routes = Routes(
            revision=1,
            keys=tuple(Key(name=name, secret=f"{name}-key", agent=True) for name in self.names),
            doors=tuple(Door(agent=name) for name in self.names),
            bus=self.bus,
        )
        ready = tuple(
            Endpoint(agent=name, instance=name, address=f"unix:{self._socket(name)}")
            for name in self.names
        )
        facts = EndpointFacts(incarnation="bench", sequence=1, full=True, ready=ready)
        self.places.config.write_text(json.dumps(config))
        self.places.routes.write_text(routes.model_dump_json())
        self.places.endpoints.write_text(facts.model_dump_json())

    def _socket(self, name: str) -> Path:
        return self.folder / f"{name}.sock"

    def _identity(self, name: str) -> dict[str, str]:
        kind = "Sender" if name.startswith("ann") else "Receiver"
        return {
            "agent": name,
            "instance": name,
            "entry": f"benchmarks.messaging.agents:{kind}",
            "gateway": f"unix:{self.places.agents_socket}",
            "key": f"{name}-key",
            "socket": str(self._socket(name)),
        }

    async def invoke(self, client: Client, name: str, value: Any) -> Any:
        address = Address.parse(f"unix:{self.places.gateway_socket}")
        timeout = Timeout(headers=600.0, idle=600.0)
        body = {"input": value, "deadline": 600.0}
        reply = await client.call("POST", address, f"/agents/{name}/invoke", body, timeout=timeout)
        return reply["output"]

    async def send(self, client: Client, messages: int, at_once: int) -> list[float]:
        """Has every sender send its share; the milliseconds of each, once all were handled."""
        before = await self.counts(client)
        share = messages // self.pairs
        found = await asyncio.gather(
            *(
                self.invoke(
                    client,
                    f"ann-{number}",
                    {"to": f"bob-{number}", "messages": share, "at_once": at_once},
                )
                for number in range(self.pairs)
            )
        )
        until = time.monotonic() + STARTING
        while (await self.counts(client))[0] - before[0] < share * self.pairs:
            if time.monotonic() > until:
                break
            await asyncio.sleep(0.005)
        return [one for each in found for one in each]

    async def counts(self, client: Client) -> tuple[int, int]:
        """Different messages, and all, that the receivers have had."""
        said = [await self.invoke(client, f"bob-{n}", None) for n in range(self.pairs)]
        return sum(one["different"] for one in said), sum(one["all"] for one in said)

    def cpu(self) -> float:
        return sum(cpu_seconds(process.pid) for process in self.processes)

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()


async def _answers(client: Client, address: Address, path: str = "/health") -> None:
    until = time.monotonic() + STARTING
    while True:
        try:
            await client.call("GET", address, path)
        except Exception:  # not there yet, in any of several ways
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.05)
        else:
            return


async def measure_bus(
    bus: BusSpec, arguments: argparse.Namespace, broker_cpu: Callable[[], float]
) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="sm-", dir="/tmp") as name:
        fleet = Fleet(Path(name), arguments.pairs, bus)
        async with Client() as client:
            try:
                await fleet.start(client)
                await fleet.send(client, WARM_UP, arguments.at_once)
                return await _measured(fleet, client, arguments, broker_cpu)
            finally:
                fleet.stop()


async def _measured(
    fleet: Fleet, client: Client, arguments: argparse.Namespace, broker_cpu: Callable[[], float]
) -> dict[str, float]:
    counted, cpu, broker = await fleet.counts(client), fleet.cpu(), broker_cpu()
    began = time.perf_counter()
    embedded = fleet.bus.broker is Broker.EMBEDDED
    messages = arguments.messages if embedded else arguments.broker_messages
    took = await fleet.send(client, messages, arguments.at_once)
    seconds = time.perf_counter() - began
    different, handled = await fleet.counts(client)
    sent = len(took)
    return {
        "messages_per_second": sent / seconds,
        "cpu_us_per_message": 1e6 * (fleet.cpu() - cpu) / sent,
        "broker_cpu_us_per_message": 1e6 * (broker_cpu() - broker) / sent,
        "p99_ms": _p99(took),
        "lost": sent - (different - counted[0]),
        "twice": (handled - counted[1]) - (different - counted[0]),
    }


async def measure_http(kind: str, arguments: argparse.Namespace) -> dict[str, float]:
    ports = [free_port() for _ in range(arguments.pairs)]
    module = [sys.executable, "-m", "benchmarks.messaging.http"]
    servers = [subprocess.Popen([*module, "serve", str(port)]) for port in ports]
    share = arguments.http_messages // arguments.pairs
    try:
        async with Client() as client:
            for port in ports:
                await _answers(client, Address.parse(f"http://127.0.0.1:{port}"), "/count")
        await _http_clients(kind, ports, 200, arguments.at_once)
        cpu = sum(cpu_seconds(server.pid) for server in servers)
        said = await _http_clients(kind, ports, share, arguments.at_once)
        cpu = sum(cpu_seconds(server.pid) for server in servers) - cpu
    finally:
        for server in servers:
            server.terminate()
            server.wait()
    took = [one for each in said for one in each["took"]]
    return {
        "messages_per_second": len(took) / max(each["seconds"] for each in said),
        "cpu_us_per_message": 1e6 * (cpu + sum(each["cpu"] for each in said)) / len(took),
        "p99_ms": _p99(took),
        "lost": share * arguments.pairs - len(took),
    }


async def _http_clients(kind: str, ports: list[int], messages: int, at_once: int) -> list[Any]:
    async def one(port: int) -> Any:
        words = ["-m", "benchmarks.messaging.http", kind, f"http://127.0.0.1:{port}"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, str(messages), str(at_once), stdout=subprocess.PIPE
        )
        output, _ = await process.communicate()
        return json.loads(output)

    return await asyncio.gather(*(one(port) for port in ports))


def _p99(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


@contextmanager
def broker(kind: Broker) -> Iterator[tuple[BusSpec, Callable[[], float]]]:
    """The broker as the fleet file names it, and the CPU seconds that its server has used."""
    if kind is Broker.EMBEDDED:
        yield BusSpec(), lambda: 0.0
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp")))
        start = nats_server if kind is Broker.NATS else rabbitmq_server
        try:
            server = stack.enter_context(start(folder))
        except Missing as error:
            raise LeftOut(str(error)) from error
        yield BusSpec(broker=kind, url=server.url), lambda: session_cpu_seconds(server.process.pid)


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, dict[str, float]] = {}
    left_out: dict[str, str] = {}
    for kind in Broker:
        try:
            with broker(kind) as (spec, cpu):
                found[kind.value] = await measure_bus(spec, arguments, cpu)
        except LeftOut as error:
            left_out[kind.value] = str(error)
    for name in ("httpx", "requests"):
        found[name] = await measure_http(name, arguments)
    figures: dict[str, Any] = {
        key: {name: round(one[key], 2) for name, one in found.items() if key in one}
        for key in ("messages_per_second", "cpu_us_per_message", "p99_ms", "twice")
    }
    figures["broker_cpu_us_per_message"] = {
        name: round(one["broker_cpu_us_per_message"], 2)
        for name, one in found.items()
        if one.get("broker_cpu_us_per_message")
    }
    rates = figures["messages_per_second"]
    figures["ratio_http"] = {
        name: round(rates["embedded"] / rates[name], 2) for name in ("httpx", "requests")
    }
    figures["lost"] = sum(one["lost"] for one in found.values())
    return {
        **figures,
        "left_out": left_out,
        "pairs": arguments.pairs,
        "at_once": arguments.at_once,
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Messages a second between agents")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--messages", type=int, default=100_000, help="of all pairs together")
    parser.add_argument("--broker-messages", type=int, default=6000, help="over other brokers")
    parser.add_argument("--http-messages", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=64, help="of each sender")
    text = json.dumps(asyncio.run(measure(arguments := parser.parse_args())), indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
