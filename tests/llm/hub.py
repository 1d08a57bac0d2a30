"""A small Hugging Face: it says what a file is, and redirects to the storage that holds it."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILE = "/owner/repo/resolve/main/tiny.gguf"


@dataclass
class Hub:
    """How the server behaves, and what it was asked.

    Args:
        cuts: after how many bytes each next answer of the storage breaks off.
        ranges: whether the storage can resume.
        announced: whether the redirect tells size and checksum.
        sha256, size: what it tells instead of the truth.
        status: what the first answer is instead of a redirect.
    """

    content: bytes
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    announced: bool = True
    sha256: str = ""
    size: int = 0
    status: int = 302
    url: str = ""
    seen: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """Path, Range and Authorization of each request."""

    @property
    def ranges_asked(self) -> list[str | None]:
        return [range_ for path, range_, _ in self.seen if path == "/storage"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        headers = self.headers
        self.hub.seen.append((self.path, headers.get("Range"), headers.get("Authorization")))
        if self.path == "/storage":
            self._storage()
        elif self.path == FILE:
            self._redirect()
        else:
            self._empty(404)

    def _redirect(self) -> None:
        if self.hub.status != 302:
            return self._empty(self.hub.status)
        facts = {"Location": self.hub.url.replace("127.0.0.1", "localhost") + "/storage"}
        if self.hub.announced:
            digest = self.hub.sha256 or hashlib.sha256(self.hub.content).hexdigest()
            facts |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(self._size())}
        return self._empty(302, facts)

    def _size(self) -> int:
        return self.hub.size or len(self.hub.content)

    def _storage(self) -> None:
        total = len(self.hub.content)
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(match[1]) if match and self.hub.ranges else 0
        if match and start >= total:
            return self._empty(416, {"Content-Range": f"bytes */{total}"})
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(total - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        cut = self.hub.cuts.pop(0) if self.hub.cuts else total
        self.wfile.write(self.hub.content[start : start + cut])
        self.close_connection = True
        return None

    def _empty(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        """Quiet."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Quiet: a client that gives up in the midst is part of the tests."""


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """``hub`` on a free port, its ``url`` set."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    with _Server(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="hub")
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join(10)
