"""With programs that others wrote: httpx as a client, the standard library's as a server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from sutazai.fleet.errors import PeerClosed
from sutazai.wire import Address, Client, Request, Response
from tests.wire.conftest import Serve
from tests.wire.handlers import count, describe, echo, mirror


class Foreign(BaseHTTPRequestHandler):
    """Answers in every way that the standard library's server can."""

    def do_GET(self) -> None:
        if self.path == "/chunks":
            self.protocol_version = "HTTP/1.1"
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (b"one,", b"two,", b"three"):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_response(200)
        if self.path == "/short":
            self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"hello")

    def do_POST(self) -> None:
        self.protocol_version = "HTTP/1.1"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def foreign() -> Iterator[Address]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Address.parse(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    thread.join()
    server.server_close()


async def test_our_client_understands_a_foreign_server(client: Client, foreign: Address) -> None:
    for target, body in (("/", b"hello"), ("/chunks", b"one,two,three"), ("/", b"hello")):
        assert await (await client.request("GET", foreign, target)).read() == body
    for size in (0, 5, 1_000_000):
        response = await client.request("POST", foreign, "/", body=b"x" * size)
        assert len(await response.read()) == size
    with pytest.raises(PeerClosed):
        await (await client.request("GET", foreign, "/short")).read()


@contextlib.asynccontextmanager
async def httpx_on(path: Path | None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.AsyncHTTPTransport(uds=str(path)) if path else None
    async with httpx.AsyncClient(transport=transport, timeout=60) as client:
        yield client


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
async def test_a_foreign_client_understands_our_server(serve: Serve, unix: bool) -> None:
    async def handler(request: Request) -> Response:
        chosen = {"/count": count, "/mirror": mirror, "/echo": echo}.get(request.path, describe)
        return await chosen(request)

    running = await serve(handler)
    base = f"http://127.0.0.1:{running.port}"

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 5000
            await asyncio.sleep(0)

    async with httpx_on(running.path if unix else None) as client:
        assert (await client.get(f"{base}/a%20b?x=1")).json()["path"] == "/a b"
        assert (await client.get(f"{base}/count")).text == "one,two,three"
        assert (await client.head(f"{base}/count")).text == ""
        assert (await client.post(f"{base}/echo", content=b"y" * 300_000)).content == b"y" * 300_000
        assert len((await client.post(f"{base}/mirror", content=pieces())).content) == 100_000
        assert running.server.connections == 1
