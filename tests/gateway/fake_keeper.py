"""A keeper that only hands out listening sockets, which it holds."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any


class FakeKeeper:
    """Use as ``with``. ``ports`` gives the port of each name asked for (0 asks for any)."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._held: dict[str, socket.socket] = {}
        self._thread = threading.Thread(target=self._serve, name="fake-keeper")

    @property
    def ports(self) -> dict[str, int]:
        return {name: sock.getsockname()[1] for name, sock in self._held.items()}

    def __enter__(self) -> FakeKeeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for sock in self._held.values():
            sock.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    self._answer(connection, json.loads(line))

    def _answer(self, connection: socket.socket, request: dict[str, Any]) -> None:
        socks = [self._hold(wanted) for wanted in request["listeners"]]
        reply = {"ok": True, "ports": [sock.getsockname()[1] for sock in socks]}
        data = json.dumps(reply).encode() + b"\n"
        socket.send_fds(connection, [data], [sock.fileno() for sock in socks])

    def _hold(self, wanted: dict[str, Any]) -> socket.socket:
        if wanted["name"] not in self._held:
            sock = socket.create_server((wanted["host"], wanted["port"]))
            self._held[wanted["name"]] = sock
        return self._held[wanted["name"]]
