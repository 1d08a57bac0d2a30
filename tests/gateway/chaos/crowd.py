"""Many clients at once, on bare sockets: they cost the test little, and read only when told."""

from __future__ import annotations

import json
import resource
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

MIB = 1024**2
WAIT = 60.0
"""Seconds that a client waits for its answer; longer is a hang."""


def allow_many_sockets() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def memory(pid: int) -> int:
    """Bytes of a process that are in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise LookupError(pid)


class Crowd:
    """Clients that have sent one request each. Use as ``with``; it closes what is open."""

    def __init__(self, port: int, bodies: Iterable[dict[str, Any]], *, buffer: int = 0) -> None:
        self._port = port
        self._buffer = buffer
        self._bodies = list(bodies)
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def send(self) -> None:
        """Everybody asks."""
        for body in self._bodies:
            one = socket.socket()
            if self._buffer:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
            one.settimeout(WAIT)
            one.connect(("127.0.0.1", self._port))
            one.sendall(_request(body))
            self._sockets.append(one)

    def answers(self) -> list[bytes]:
        """What each got until the server closed, in the order of the bodies."""
        return [_all_of(one) for one in self._sockets]

    def leave(self) -> None:
        for one in self._sockets:
            one.close()
        self._sockets.clear()


def _request(body: dict[str, Any]) -> bytes:
    data = json.dumps(body).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def _all_of(one: socket.socket) -> bytes:
    pieces = []
    try:
        while piece := one.recv(65_536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)
