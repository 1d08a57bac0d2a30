"""A webhook on loopback, for whoever is notified of alerts."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """A webhook that keeps what it took; while it is ``broken`` it takes nothing.

    Attributes:
        url: where it listens, for Apprise.
        address: the same for others, ``http://…``.
    """

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.asked = 0
        self.broken = False
        self.stuck = threading.Event()
        self.stuck.set()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.asked += 1
                hook.stuck.wait()
                if not hook.broken:
                    hook.taken.append(json.loads(body))
                self.send_response(500 if hook.broken else 200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook")
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/hook"
        self.url = self.address.replace("http", "json")

    def close(self) -> None:
        self.stuck.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.taken]
