"""The control socket: JSON lines from local clients, answered with JSON lines and sockets.

::

    {"op": "listen", "listeners": [{"name", "host", "port"}, …]}   at most 200
        → {"ok": true, "ports": [port, …]} with the listening sockets in that order (SCM_RIGHTS)
    {"op": "status"}
        → {"ok": true, "pid", "host_pid" (null while it is down), "host_restarts", "listeners": […]}
    {"op": "stop"}
        → {"ok": true} once nothing is left; the keeper is then gone
    otherwise → {"error": {"code", "message", "hint"?, "data"?}}

A client is answered one request at a time, may send several, and is dropped if it takes longer
than ``PATIENCE`` to send one or to take its answer. It must be of the keeper's user, or root.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Sequence

from sutazai.keeper import log
from sutazai.keeper.errors import BadInput, KeeperError, Refused

LINE_LIMIT = 1024 * 1024
PATIENCE = 10.0
CLIENTS = 64
_CHUNK = 65536


class Reply:
    """An answer: its JSON value, and the sockets that go with it."""

    __slots__ = ("sockets", "value")

    def __init__(self, value: dict[str, object], sockets: Sequence[socket.socket] = ()) -> None:
        self.value = value
        self.sockets = sockets


Handle = Callable[[dict[str, object], int], Reply | None]
"""Takes a request and the pid of its sender; None: it is answered by ``Control.answer_waiting``."""


class Client:
    """One connection. ``deadline`` is None while it waits for an answer from us."""

    __slots__ = ("deadline", "leaving", "outgoing", "peer", "received", "sock")

    def __init__(self, sock: socket.socket, peer: int) -> None:
        self.sock = sock
        self.peer = peer
        self.received = bytearray()
        self.outgoing = b""
        self.leaving = False
        self.deadline: float | None = time.monotonic() + PATIENCE


class Control:
    """Serves ``path``; every ready socket's callback is the selector key's data."""

    def __init__(self, selector: selectors.BaseSelector, path: str, handle: Handle) -> None:
        self._selector = selector
        self._path = path
        self._handle = handle
        self._clients: set[Client] = set()
        self._listener = _listening(path)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def due(self) -> float | None:
        """When the next client runs out of time."""
        return min((c.deadline for c in self._clients if c.deadline is not None), default=None)

    def drop_late(self, now: float) -> None:
        for client in list(self._clients):
            if client.deadline is not None and client.deadline <= now:
                self._drop(client)

    def stop_listening(self) -> None:
        """No new clients; the name is free for the next keeper. Those connected stay."""
        self._selector.unregister(self._listener)
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def answer_waiting(self, value: dict[str, object]) -> None:
        """Answers everybody whose request was left open, and is done with them."""
        for client in [client for client in self._clients if client.deadline is None]:
            client.leaving = True
            self._send(client, Reply(value))

    def close(self) -> None:
        for client in list(self._clients):
            self._drop(client)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            log.say(f"a client cannot be accepted: {error}")
            return
        self._make_room()
        self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        pid, uid = _credentials(sock)
        client = Client(sock, pid)
        self._clients.add(client)
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._ready(client))
        if uid not in (0, os.geteuid()):
            self._refuse(client, Refused("the keeper answers its own user only"))

    def _make_room(self) -> None:
        if len(self._clients) >= CLIENTS:
            self._drop(min(self._clients, key=lambda client: client.deadline or sys.maxsize))

    def _ready(self, client: Client) -> None:
        if client not in self._clients:
            return  # dropped a moment ago, by another event of the same turn
        try:
            if client.outgoing:
                self._flush(client)
            else:
                self._receive(client)
        except OSError:
            self._drop(client)  # it went away, or does not take what it asked for
        except Exception as fault:  # noqa: BLE001 (one client must never end the root process)
            log.say(f"a fault in answering pid {client.peer}: {type(fault).__name__}: {fault}")
            self._drop(client)

    def _receive(self, client: Client) -> None:
        chunk = client.sock.recv(_CHUNK)
        if not chunk:
            self._drop(client)
            return
        client.received += chunk
        self._answer_next(client)

    def _answer_next(self, client: Client) -> None:
        """Answers what has come in completely, as long as the client takes the answers."""
        while client in self._clients and _may_ask(client):
            line, found, rest = client.received.partition(b"\n")
            if not found:
                break
            client.received = rest
            self._answer(client, bytes(line))
        if len(client.received) > LINE_LIMIT and client in self._clients:
            self._refuse(client, BadInput(f"a request has at most {LINE_LIMIT} bytes"))

    def _answer(self, client: Client, line: bytes) -> None:
        try:
            reply = self._handle(_request(line), client.peer)
        except BadInput as error:
            self._refuse(client, error)
            return
        except KeeperError as error:
            reply = Reply({"error": error.as_dict()})
        if reply is None:
            client.deadline = None
        else:
            self._send(client, reply)

    def _refuse(self, client: Client, error: KeeperError) -> None:
        client.leaving = True
        self._send(client, Reply({"error": error.as_dict()}))

    def _send(self, client: Client, reply: Reply) -> None:
        """Sends what fits now, the sockets with the first byte; the rest follows."""
        client.deadline = time.monotonic() + PATIENCE
        data = json.dumps(reply.value).encode() + b"\n"
        descriptors = [sock.fileno() for sock in reply.sockets]
        try:
            if descriptors:
                sent = socket.send_fds(client.sock, [data], descriptors)
            else:
                sent = client.sock.send(data)
        except OSError:  # also if nothing at all fits: it has not read what it asked for before
            self._drop(client)
            return
        client.outgoing = data[sent:]
        self._sent(client)

    def _flush(self, client: Client) -> None:
        sent = client.sock.send(client.outgoing)
        client.outgoing = client.outgoing[sent:]
        self._sent(client)
        self._answer_next(client)

    def _sent(self, client: Client) -> None:
        if client.outgoing:
            self._selector.modify(client.sock, selectors.EVENT_WRITE, self._key(client))
        elif client.leaving:
            self._drop(client)
        else:
            self._selector.modify(client.sock, selectors.EVENT_READ, self._key(client))

    def _key(self, client: Client) -> object:
        return self._selector.get_key(client.sock).data

    def _drop(self, client: Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._selector.unregister(client.sock)
            client.sock.close()


def _may_ask(client: Client) -> bool:
    return not client.outgoing and not client.leaving and client.deadline is not None


def _request(line: bytes) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput("a request must be one line of JSON") from error
    if not isinstance(value, dict):
        raise BadInput("a request must be a JSON object")
    return value


def _listening(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # of a dead keeper: we hold the lock
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(path)
    finally:
        os.umask(before)
    sock.setblocking(False)
    sock.listen(CLIENTS)
    return sock


def _credentials(sock: socket.socket) -> tuple[int, int]:
    """Pid and user of the process that connected."""
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(packed[:4], sys.byteorder), int.from_bytes(packed[4:8], sys.byteorder)
