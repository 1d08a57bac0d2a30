"""Both ends of a connection without `sutazai.wire`: bytes as a stranger would send them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sutazai.wire import Address, Server

DEADLINE = 8.0


@dataclass(frozen=True)
class Running:
    """A server under test and its two listeners."""

    server: Server
    port: int
    path: Path

    @property
    def tcp(self) -> Address:
        return Address.parse(f"http://127.0.0.1:{self.port}")

    @property
    def unix(self) -> Address:
        return Address.parse(f"unix:{self.path}")

    async def connect(self, *, unix: bool = False) -> Raw:
        if unix:
            return Raw(*await asyncio.open_unix_connection(self.path))
        return Raw(*await asyncio.open_connection("127.0.0.1", self.port))

    async def exchange(self, data: bytes, *, unix: bool = False) -> bytes:
        """Everything that comes back for ``data`` until the server closes."""
        raw = await self.connect(unix=unix)
        await raw.send(data)
        try:
            return await raw.rest()
        finally:
            await raw.close()


class Raw:
    """A connection on which a test says every byte itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(DEADLINE):
            await self.writer.drain()

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readuntil(end)

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readexactly(size)

    async def head(self) -> bytes:
        return await self.until(b"\r\n\r\n")

    async def response(self) -> tuple[int, bytes]:
        """Status and body of a response that declares its length."""
        head = (await self.head()).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return int(head.split()[1]), await self.exactly(int(length or 0))

    async def rest(self) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.reader.read()

    def half_close(self) -> None:
        self.writer.write_eof()

    async def close(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(DEADLINE):
                await self.writer.wait_closed()
        except OSError:
            pass  # reset by the other side, which is as closed

    async def reset(self) -> None:
        """Close so that the other side gets an error and not an end."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        await asyncio.sleep(0)


class ScriptedServer:
    """Answers the n-th request of any connection with the n-th script, and then closes it.

    A script of None leaves the request unanswered until the client goes, ``b""`` closes at once.
    """

    def __init__(self, answers: Sequence[bytes | None], *, reset: bool) -> None:
        self._answers = list(answers)
        self._reset = reset
        self._sock = socket.create_server(("127.0.0.1", 0))
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept(), name="scripted")
        self.connections = 0
        self.requests: list[bytes] = []
        self.gone = asyncio.Event()

    @property
    def address(self) -> Address:
        return Address.parse(f"http://127.0.0.1:{self._sock.getsockname()[1]}")

    async def close(self) -> None:
        tasks = [self._accepting, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sock.close()

    async def _accept(self) -> None:
        self._sock.setblocking(False)
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self._sock)
            self.connections += 1
            task = asyncio.create_task(self._serve(sock), name="scripted-connection")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=sock)
        raw = Raw(reader, writer)
        try:
            while self._answers:
                if not (head := await reader.readuntil(b"\r\n\r\n")):
                    break
                self.requests.append(head)
                if not (answer := self._answers.pop(0)):
                    if answer is None:
                        await reader.read()
                        self.gone.set()
                    break
                await raw.send(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
        finally:
            if self._reset:
                await raw.reset()
            await raw.close()
