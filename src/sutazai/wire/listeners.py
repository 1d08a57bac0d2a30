"""Listening sockets from the keeper, which holds them across restarts of who uses them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sutazai.fleet.errors import BadPeer, ConnectFailed, DeadlineExceeded, PeerClosed, from_dict

if TYPE_CHECKING:  # each instance would hold what it imports
    from pathlib import Path

BATCH = 200
"""Listeners a request; the kernel passes at most 253 descriptors at once."""

DEADLINE = 10.0
REPLY_MAX = 256 * 1024

_INT = struct.Struct("i")


@dataclass(frozen=True)
class ListenerSpec:
    """A listener to be made or held: a name of one's own, an IP address, a port."""

    name: str
    host: str
    port: int


async def fetch_listeners(
    keeper_socket: Path, wanted: Sequence[ListenerSpec], *, deadline: float = DEADLINE
) -> dict[str, socket.socket]:
    """The listening socket of each wanted name; the caller owns them.

    Raises what the keeper says (as PortTaken), ConnectFailed, PeerClosed, BadPeer, or
    DeadlineExceeded after ``deadline`` seconds.
    """
    found: dict[str, socket.socket] = {}
    try:
        async with asyncio.timeout(deadline):
            with await _connect(keeper_socket) as connection:
                for start in range(0, len(wanted), BATCH):
                    found |= await _fetch(connection, wanted[start : start + BATCH])
    except TimeoutError as cause:
        _close(found.values())
        raise DeadlineExceeded(f"the keeper did not answer within {deadline:g} s") from cause
    except BaseException:  # sockets that came are closed, whatever stopped it
        _close(found.values())
        raise
    return found


async def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, os.fspath(path))
    except OSError as cause:
        connection.close()
        raise ConnectFailed(f"the keeper is not there: {path}", hint="run `sutazai up`") from cause
    except BaseException:  # closed also where it is cancelled
        connection.close()
        raise
    return connection


async def _fetch(
    connection: socket.socket, wanted: Sequence[ListenerSpec]
) -> dict[str, socket.socket]:
    request = {"op": "listen", "listeners": [asdict(spec) for spec in wanted]}
    fds: list[int] = []
    try:
        await _send(connection, json.dumps(request).encode() + b"\n")
        _check(await _reply(connection, fds), wanted, fds)
    except BaseException:  # what came is closed, whatever stopped it
        for fd in fds:
            os.close(fd)
        raise
    return {spec.name: socket.socket(fileno=fd) for spec, fd in zip(wanted, fds, strict=True)}


async def _send(connection: socket.socket, line: bytes) -> None:
    try:
        await asyncio.get_running_loop().sock_sendall(connection, line)
    except OSError as cause:
        raise PeerClosed("the keeper closed the connection") from cause


async def _reply(connection: socket.socket, fds: list[int]) -> bytes:
    """The reply's line; what came with it is added to ``fds``."""
    line = b""
    while not line.endswith(b"\n"):
        await _readable(connection)
        try:
            data, flags = _receive(connection, fds)
        except BlockingIOError:
            continue
        except OSError as cause:
            raise PeerClosed("the keeper closed the connection") from cause
        line += data
        if not data:
            raise PeerClosed("the keeper closed the connection")
        if flags & socket.MSG_CTRUNC or len(line) > REPLY_MAX:
            raise BadPeer("the keeper's reply is cut short")
    return line


def _receive(connection: socket.socket, fds: list[int]) -> tuple[bytes, int]:
    # socket.recv_fds takes flags and forgets them, and these descriptors must not be inherited.
    space = socket.CMSG_SPACE(BATCH * _INT.size)
    data, parts, flags, _ = connection.recvmsg(REPLY_MAX, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, packed in parts:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            whole = packed[: len(packed) - len(packed) % _INT.size]
            fds += [fd for (fd,) in _INT.iter_unpack(whole)]
    return data, flags


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(connection, _resolve, ready)
    try:
        await ready
    finally:
        loop.remove_reader(connection)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _check(line: bytes, wanted: Sequence[ListenerSpec], fds: list[int]) -> None:
    reply = _parsed(line)
    if isinstance(error := reply.get("error"), dict):
        raise from_dict(error)
    if reply.get("ok") is not True or len(fds) != len(wanted):
        raise BadPeer(f"the keeper sent {len(fds)} of {len(wanted)} listeners")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(line)
    except ValueError as cause:
        raise BadPeer("the keeper's reply is not JSON") from cause
    if not isinstance(reply, dict):
        raise BadPeer("the keeper's reply is not an object")
    return reply


def _close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()
