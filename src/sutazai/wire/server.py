"""The server: listeners, their connections, and an orderly end."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections import defaultdict
from typing import TYPE_CHECKING

from sutazai.fleet.errors import BadInput, PortTaken, SutazaiError
from sutazai.wire.connection import Connection
from sutazai.wire.limits import SOCKET_PATH_MAX, ServerLimits
from sutazai.wire.messages import Handler
from sutazai.wire.outbox import Outbox
from sutazai.wire.tcp import tune

if TYPE_CHECKING:  # each instance would hold what it imports
    from collections.abc import Iterable
    from pathlib import Path

BACKLOG = 1024

PATIENCE = 5.0
"""Seconds that handlers have to end once they were cancelled."""


class Server:
    """Serves ``handler`` over HTTP/1.1 on any number of listeners.

    Args:
        handler: called once a request, in a task of its own that is cancelled when the client goes.
        limits: what clients may do.
    """

    def __init__(self, handler: Handler, limits: ServerLimits = ServerLimits()) -> None:  # noqa: B008 (frozen)
        self.handler = handler
        self.limits = limits
        self.outbox = Outbox()
        self.closing = False
        self._connections: set[Connection] = set()
        self._listeners: defaultdict[str, list[asyncio.Server]] = defaultdict(list)
        self._paths: list[tuple[str, str, int]] = []
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def listen(self, sock: socket.socket, name: str) -> None:
        """Accept on a bound socket, which the server closes in the end.

        ``name`` is what requests carry as `Request.listener`.
        """
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        tune(sock)
        start = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
        listeners = self._listeners[name]
        listeners.append(await start(lambda: Connection(self, name), sock=sock, backlog=BACKLOG))

    async def listen_tcp(self, host: str, port: int, name: str) -> int:
        """Accept on a TCP port, 0 for any free one; the port is given back.

        Raises PortTaken, or BadInput where ``host`` is no address of this machine.
        """
        sock = _bind_tcp(host, port)
        await self.listen(sock, name)
        return int(sock.getsockname()[1])

    async def listen_unix(self, path: Path | str, name: str) -> None:
        """Accept on a Unix socket of mode 0600; a stale file in its place is replaced.

        Raises PortTaken where somebody listens there, BadInput where the path cannot be used.
        """
        sock = _bind_unix(os.fspath(path))
        self._paths.append((name, os.fspath(path), os.stat(path).st_ino))
        await self.listen(sock, name)

    async def unlisten(self, name: str) -> None:
        """Stop accepting on the listeners called ``name``; their connections end politely.

        That is, after what is being answered on them. Others are not touched, and where there is no
        such listener nothing happens.
        """
        await self._stop_listening({name})
        for connection in list(self._connections):
            if connection.listener == name:
                connection.retire()
        await asyncio.sleep(0)  # event loops close sockets in their next round

    def forget(self) -> None:
        """Ask the server's own handler again, whatever requests had remembered."""
        for connection in self._connections:
            connection.forget()

    async def close(self, grace: float = 5.0) -> None:
        """Stop accepting, let requests end for ``grace`` seconds, then cut what is left."""
        self.closing = True
        await self._stop_listening(set(self._listeners))
        for connection in list(self._connections):
            connection.retire()
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            await self._cut()

    async def _cut(self) -> None:
        left = list(self._connections)
        tasks = [connection.task for connection in left if connection.task is not None]
        for connection in left:
            connection.cut()
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)
        await self._empty.wait()

    async def _stop_listening(self, names: set[str]) -> None:
        ending = [each for name in names for each in self._listeners.pop(name, ())]
        await _accept_no_more(ending)
        for listener in ending:
            listener.close()
        self._remove_paths([each for each in self._paths if each[0] in names])
        self._paths = [each for each in self._paths if each[0] not in names]

    def _remove_paths(self, paths: list[tuple[str, str, int]]) -> None:
        for _, path, inode in paths:
            try:
                if os.stat(path).st_ino == inode:  # not a successor's
                    os.unlink(path)
            except FileNotFoundError:
                pass

    # what connections call

    def opened(self, connection: Connection) -> bool:
        if len(self._connections) >= self.limits.connections or self.closing:
            return False
        self._connections.add(connection)
        self._empty.clear()
        if connection.listener not in self._listeners:  # given up since this one was accepted
            asyncio.get_running_loop().call_soon(connection.retire)
        return True

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()


async def _accept_no_more(listeners: Iterable[asyncio.Server]) -> None:
    """Lets what was accepted a moment ago come to us. asyncio forgets a connection whose listener
    is closed before that, and its client would wait for ever (CPython 3.11)."""
    loop = asyncio.get_running_loop()
    for listener in listeners:
        for sock in listener.sockets:
            loop.remove_reader(sock.fileno())
    await asyncio.sleep(0)


def _bind_tcp(host: str, port: int) -> socket.socket:
    try:
        family, *_, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST
        )[0]
    except (OSError, OverflowError) as cause:
        raise BadInput(f"not an IP address to listen on: {host}:{port}") from cause
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(place)
        sock.listen(BACKLOG)
    except (OSError, OverflowError) as cause:
        sock.close()
        raise _translated(cause, f"{host}:{port}") from cause
    return sock


def _bind_unix(path: str) -> socket.socket:
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        raise BadInput(
            f"a socket's path must not be longer than {SOCKET_PATH_MAX} bytes: {path}",
            hint="use a shorter runtime folder",
        )
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(path)
        os.chmod(path, 0o600)  # before it listens, so nobody gets in between
        sock.listen(BACKLOG)
    except OSError as cause:
        sock.close()
        raise _translated(cause, path) from cause
    except SutazaiError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket file on which nobody listens. Raises PortTaken where somebody does."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise BadInput(f"there is a file that is no socket: {path}", hint="move it away")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full backlog is somebody, too
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise PortTaken(f"somebody listens on {path}", place=path)


def _translated(cause: Exception, place: str) -> SutazaiError:
    if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
        return PortTaken(f"somebody listens on {place}", hint="choose another", place=place)
    return BadInput(f"cannot listen on {place}: {cause}")
