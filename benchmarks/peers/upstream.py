"""A fake LLM server that costs next to nothing: ``python -m benchmarks.peers.upstream PORT``.

Speaks as much of the OpenAI dialect as the proxies need. A whole answer comes at once. A streamed
one comes in `CHUNKS` pieces, `GAP` seconds apart, the head with the first of them and the usage
with the last, as llama.cpp and Ollama send them. A stream of the model `HELD` stops after its first
piece until the client goes.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import sys
from typing import Any, cast

import uvloop

CHUNKS = 64
GAP = 0.005
MODEL = "bench"
HELD = "bench-held"

_ANSWER = "The quick brown fox jumps over the lazy dog and goes on its way through the wood. "


def _plain(value: Any) -> bytes:
    body = json.dumps(value, separators=(",", ":")).encode()
    return (
        b"HTTP/1.1 200 OK\r\nserver: upstream\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(choices: list[Any], **more: Any) -> bytes:
    value = {
        "id": "chatcmpl-0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1735689600,
        "model": MODEL,
        "choices": choices,
        **more,
    }
    return b"data: %b\n\n" % json.dumps(value, separators=(",", ":")).encode()


def _delta(delta: dict[str, Any], reason: str | None = None) -> list[Any]:
    return [{"index": 0, "delta": delta, "finish_reason": reason}]


_USAGE = {"prompt_tokens": 120, "completion_tokens": CHUNKS, "total_tokens": 120 + CHUNKS}


def _whole(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    return _plain(
        {
            "id": "chatcmpl-0123456789abcdef",
            "object": "chat.completion",
            "created": 1735689600,
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": _USAGE,
        }
    )


WHOLES = tuple(_whole(_ANSWER * 3 + "." * more) for more in range(67))
"""Answers of lengths that differ, as real ones do."""

MODELS = _plain(
    {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": 1735689600, "owned_by": "bench"}
            for name in (MODEL, HELD)
        ],
    }
)
FIRST = (
    b"HTTP/1.1 200 OK\r\nserver: upstream\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
    + _chunk(_event(_delta({"role": "assistant", "content": "word"})))
)
MIDDLE = _chunk(_event(_delta({"content": " word"})))
LAST = (
    _chunk(_event(_delta({}, "stop")) + _event([], usage=_USAGE) + b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


_turns = itertools.count()


class Upstream(asyncio.Protocol):
    """One connection; trusts its client to send one whole request after the other."""

    def __init__(self) -> None:
        self._ahead = b""
        self._left = 0
        self._due = 0.0
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._ahead + data
        head, end, body = data.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length or 0):
            self._ahead = data
            return
        self._ahead = b""
        self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            self._transport.write(MODELS)
        elif b'"stream":true' not in body and b'"stream": true' not in body:
            self._transport.write(WHOLES[next(_turns) % len(WHOLES)])
        else:
            self._transport.write(FIRST)
            if HELD.encode() not in body:
                self._left = CHUNKS - 1
                self._due = self._loop.time()
                self._later()

    def _later(self) -> None:
        self._due += GAP
        self._loop.call_at(self._due, self._next)

    def _next(self) -> None:
        if self._transport.is_closing():
            return
        self._left -= 1
        self._transport.write(MIDDLE if self._left else LAST)
        if self._left:
            self._later()


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    gc.disable()  # nothing here makes cycles in numbers
    uvloop.run(main(int(sys.argv[1])))
