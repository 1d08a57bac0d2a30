"""An HTTP proxy that does what a test wants."""

from __future__ import annotations

import asyncio

from tests.wire.authority import OK


class LittleProxy:
    """Opens tunnels to one server whoever is asked for, and answers plain requests itself."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.tunnel_to = 0
        self.status = b"200 OK"
        self.after = b""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                if head.startswith(b"CONNECT "):
                    await self._tunnel(reader, writer)
                    break
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 " + self.status + b"\r\n\r\n" + self.after)
        if not self.status.startswith(b"2"):
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.tunnel_to)
        try:
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        finally:
            far_writer.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
        writer.write_eof()
    except OSError:
        writer.transport.abort()
