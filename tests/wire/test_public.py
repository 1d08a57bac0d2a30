"""The room's face: what it exports, and what it keeps out of small processes."""

from __future__ import annotations

import subprocess
import sys

import sutazai.wire

PUBLIC = {
    "Address", "Client", "ClientLimits", "ClientResponse", "Handler", "Headers", "LineSplitter",
    "ListenerSpec", "Pairs", "Proxies", "Pushed", "Receiver", "Request", "Response", "Router",
    "Sent", "Server", "ServerLimits", "Sink", "Splice", "SseDecoder", "SseEvent", "Timeout",
    "TlsOptions", "Wake", "chunk_line", "error_response", "fetch_listeners", "json_response",
    "sse_event",
}  # fmt: skip


def test_the_public_names_are_these_and_no_others() -> None:
    assert set(sutazai.wire.__all__) == PUBLIC
    assert all(hasattr(sutazai.wire, name) for name in PUBLIC)


def test_importing_the_room_loads_nothing_large() -> None:
    script = "import sys, sutazai.wire; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"pydantic", "httpx", "h11", "email", "http.client", "uvloop", "certifi"}
