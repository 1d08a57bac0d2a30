"""Stands for the program `ollama`: ``ollama serve``, with the settings of its environment.

It serves what Ollama does where the product looks (`/api/version`, `/api/tags`, `/api/ps`), answers
every chat, and tells its settings at `/environment`; a file named in FAKE_DIGEST holds its model's
digest. `installed` makes a program of this file.
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODEL = "llama3.2:latest"


def installed(folder: Path, name: str = "ollama") -> Path:
    """The program in ``folder``."""
    program = folder / name
    program.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
    program.chmod(0o755)
    return program


def settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("OLLAMA_")}


def digest() -> dict[str, str]:
    """What a file says that the model's is, where one is named."""
    path = os.environ.get("FAKE_DIGEST")
    return {"digest": Path(path).read_text()} if path else {}


def answers() -> dict[str, Any]:
    """By path."""
    context = int(os.environ.get("OLLAMA_CONTEXT_LENGTH", "4096"))
    message = {"role": "assistant", "content": "Hello"}
    return {
        "/api/version": {"version": os.environ.get("FAKE_VERSION", "0.12.0")},
        "/api/tags": {"models": [{"name": MODEL, "model": MODEL, **digest()}]},
        "/api/ps": {"models": [{"name": MODEL, "model": MODEL, "context_length": context}]},
        "/api/chat": {"model": MODEL, "message": message, "done": True, "done_reason": "stop"},
        "/environment": settings(),
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        value = answers().get(self.path)
        body = json.dumps(value).encode()
        self.send_response(404 if value is None else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def main() -> None:
    assert sys.argv[1:] == ["serve"], sys.argv
    host, _, port = os.environ["OLLAMA_HOST"].rpartition(":")
    ThreadingHTTPServer.daemon_threads = True
    with ThreadingHTTPServer((host, int(port)), Handler) as server:
        print(f"listening on {server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
