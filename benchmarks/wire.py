"""What a request costs in CPU: server, client, and a relay made of both.

    python benchmarks/wire.py [--json OUT] [--requests N] [--seconds S]

Figures are user and system time of the whole process, divided by the requests that it took part in;
the server and the relay run in processes of their own. A case ends after N requests or S seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from sutazai.wire import Address, Client, Request, Response, Router, Server, json_response

CONCURRENCY = 16
EVENTS = 100
_EVENT = b'data: {"choices":[{"delta":{"content":"word "},"index":0}],"object":"chunk"}\n\n'
_BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 900}]}).encode()


@dataclass(frozen=True)
class Figure:
    """One case; times in CPU microseconds a request, or a streamed event where there are any."""

    case: str
    requests: int
    client: float
    server: float
    relay: float | None
    per_second: float


# the server's side


async def _hello(request: Request) -> Response:
    return json_response({"status": "ok"})


async def _echo(request: Request) -> Response:
    return Response(200, [("content-type", "application/json")], await request.read())


async def _events(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(EVENTS):
            yield _EVENT
            await asyncio.sleep(0)

    return Response(200, [("content-type", "text/event-stream")], pieces())


async def _usage(request: Request) -> Response:
    return json_response(time.process_time())


def _relay_to(upstream: Address, client: Client) -> Callable[[Request], Awaitable[Response]]:
    async def relay(request: Request) -> Response:
        response = await client.request(
            request.method,
            upstream,
            "/" + request.params["rest"],
            headers=request.headers.without("host", "content-length"),
            body=await request.read(),
        )
        headers = response.headers.without("connection", "transfer-encoding", "date")
        return Response(response.status, headers, response.stream())

    return relay


async def _serve(folder: Path, upstream: str | None) -> None:
    router = Router()
    router.add("GET", "/hello", _hello)
    router.add("POST", "/echo", _echo)
    router.add("GET", "/events", _events)
    router.add("GET", "/usage", _usage)
    async with Client() as client:
        if upstream:
            router.add("ANY", "/relay/{rest...}", _relay_to(Address.parse(upstream), client))
        server = Server(router)
        await server.listen_unix(folder / "s", "unix")
        port = await server.listen_tcp("127.0.0.1", 0, "tcp")
        print(port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await server.close()


class Peer:
    """A server in a process of its own."""

    def __init__(self, folder: Path, upstream: Address | None = None) -> None:
        folder.mkdir()
        command = [sys.executable, __file__, "--serve", str(folder)]
        self._process = subprocess.Popen(
            [*command, "--upstream", str(upstream)] if upstream else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.tcp = Address.parse(f"http://127.0.0.1:{int(self._process.stdout.readline())}")
        self.unix = Address.parse(f"unix:{folder}/s")

    def close(self) -> None:
        self._process.communicate(timeout=10)


# the client's side


@dataclass(frozen=True)
class Case:
    """A request to repeat; ``each`` is how many events its answer has."""

    name: str
    address: Address
    target: str
    body: bytes = b""
    each: int = 1
    relayed: bool = False


async def _repeat(client: Client, case: Case, counter: list[int], ends: float) -> None:
    method = "POST" if case.body else "GET"
    while counter[0] > 0 and time.monotonic() < ends:
        counter[0] -= 1
        counter[1] += 1
        response = await client.request(method, case.address, case.target, body=case.body)
        await response.read()
        assert response.status == 200


async def _measure(
    client: Client, case: Case, server: Peer, relay: Peer, *, requests: int, seconds: float
) -> Figure:
    async def usage() -> list[float]:
        return [
            time.process_time(),
            await client.call("GET", server.unix, "/usage"),
            await client.call("GET", relay.unix, "/usage"),
            time.monotonic(),
        ]

    await _repeat(client, case, [200 // case.each, 0], time.monotonic() + 1)
    counter, before = [requests // case.each, 0], await usage()
    ends = time.monotonic() + seconds
    await asyncio.gather(*(_repeat(client, case, counter, ends) for _ in range(CONCURRENCY)))
    spent = [after - start for after, start in zip(await usage(), before, strict=True)]
    done = counter[1] * case.each
    own, served, relayed, elapsed = (value / done * 1e6 for value in spent)
    return Figure(
        case.name,
        counter[1],
        round(own, 1),
        round(served, 1),
        round(relayed, 1) if case.relayed else None,
        round(1e6 / elapsed),
    )


async def _main(requests: int, seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="wire") as folder:
        server = Peer(Path(folder) / "a")
        relay = Peer(Path(folder) / "b", server.unix)
        cases = [
            Case("small, TCP", server.tcp, "/hello"),
            Case("small, Unix", server.unix, "/hello"),
            Case("echo 1 KB, TCP", server.tcp, "/echo", _BODY),
            Case("event of a stream, TCP", server.tcp, "/events", each=EVENTS),
            Case("relayed small, TCP to Unix", relay.tcp, "/relay/hello", relayed=True),
            Case("relayed echo 1 KB, TCP to Unix", relay.tcp, "/relay/echo", _BODY, relayed=True),
            Case("relayed event", relay.tcp, "/relay/events", each=EVENTS, relayed=True),
        ]
        try:
            async with Client() as client:
                return [
                    await _measure(client, case, server, relay, requests=requests, seconds=seconds)
                    for case in cases
                ]
        finally:
            relay.close()
            server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--upstream", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(_serve(options.serve, options.upstream))
        return
    figures = uvloop.run(_main(options.requests, options.seconds))
    for figure in figures:
        print(figure)
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))


if __name__ == "__main__":
    main()
