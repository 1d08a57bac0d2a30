"""A fake LLM server with few slots: ``python -m benchmarks.saturated.backend PORT``.

It serves as such servers do: so many at once as it has slots, the rest first come first served; it
reads the prompt in one go, then writes a token at a time; what a slot read last it need not read
again, and of the free slots it takes the one that knows the prompt. Whoever has left is noticed in
the queue when it is its turn, and on a slot before the next token. Rates are those of a small model
on a GPU. It keeps a ledger of all it did, at `GET /ledger`, by the clock that all processes share.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import OrderedDict, deque
from dataclasses import asdict, dataclass
from typing import Any, cast

import uvloop

SLOTS = 4
MODEL = "bench"

READ_RATE = 12_000.0
WRITE_RATE = 600.0
"""Tokens a second, of one slot."""

CHARACTERS = 4
"""Of a token."""


@dataclass(slots=True)
class Job:
    """One request. Times in seconds of the monotonic clock; nought where it did not come to it."""

    key: str
    arrived: float
    wanted: int  # tokens of the answer
    system: str
    prompt: int  # tokens
    slot: int = -1
    started: float = 0.0
    read_at: float = 0.0
    ended: float = 0.0
    read: int = 0
    written: int = 0
    whole: bool = False

    def record(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "system"}


class Engine:
    """The slots, and who waits for them."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[Job, Client]] = deque()
        self._running = 0
        self._free: OrderedDict[int, str] = OrderedDict((slot, "") for slot in range(SLOTS))

    @property
    def held(self) -> int:
        """Requests of clients that are still there."""
        return self._running + sum(not client.gone for _, client in self._queue)

    def offer(self, job: Job, client: Client) -> None:
        self.jobs.append(job)
        self._queue.append((job, client))
        self._next()

    def _next(self) -> None:
        while self._free and self._queue:
            job, client = self._queue.popleft()
            if not client.gone:
                self._start(job, client)

    def _start(self, job: Job, client: Client) -> None:
        alike = (slot for slot, system in self._free.items() if system == job.system)
        slot = job.slot = next(alike, next(iter(self._free)))
        knows = self._free.pop(slot) == job.system
        job.started = time.monotonic()
        job.read = job.prompt - (len(job.system) // CHARACTERS if knows else 0)
        job.read_at = job.started + job.read / READ_RATE
        self._running += 1
        self._at(job.read_at, job, client)

    def _at(self, due: float, job: Job, client: Client) -> None:
        wait = max(due - time.monotonic(), 0.0)
        self._loop.call_later(wait, self._write, job, client)

    def _write(self, job: Job, client: Client) -> None:
        """The prompt is read, or a token is due; a timer that was late is caught up with."""
        now = time.monotonic()
        due = min(1 + int((now - job.read_at) * WRITE_RATE), job.wanted)
        while job.written < due and not client.gone:
            job.written += 1
            client.send(job)
        if client.gone or job.written == job.wanted:
            self._end(job)
        else:
            self._at(job.read_at + job.written / WRITE_RATE, job, client)

    def _end(self, job: Job) -> None:
        job.whole = job.written == job.wanted
        job.ended = time.monotonic()
        self._running -= 1
        self._free[job.slot] = job.system
        self._next()


class Client(asyncio.Protocol):
    """One connection; trusts its client to send one whole request after the other."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ahead = b""
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True

    def data_received(self, data: bytes) -> None:
        data = self._ahead + data
        head, end, body = data.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length or 0):
            self._ahead = data
            return
        self._ahead = b""
        if head.startswith(b"GET"):
            self._transport.write(_plain(self._told(head.split(b" ")[1])))
        else:
            self._engine.offer(_job(json.loads(body)), self)

    def send(self, job: Job) -> None:
        """Writes the newest token, and what comes with the first and the last of them."""
        word = f"{job.key} " if job.written == 1 else "word "
        data = _event(_delta({"content": word}))
        if job.written == job.wanted:
            usage = {"prompt_tokens": job.prompt, "completion_tokens": job.written}
            data += _event(_delta({}, "stop")) + _event([], usage=usage) + b"data: [DONE]\n\n"
            data = _chunk(data) + b"0\r\n\r\n"
        else:
            data = _chunk(data)
        self._transport.write(_HEAD + data if job.written == 1 else data)

    def _told(self, path: bytes) -> Any:
        if path == b"/ledger":
            return [job.record() for job in self._engine.jobs]
        if path == b"/held":
            return self._engine.held
        return {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "bench"}]}


_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _job(body: dict[str, Any]) -> Job:
    """Of a request whose last message begins with its key."""
    system, user = (str(message["content"]) for message in body["messages"])
    prompt = (len(system) + len(user)) // CHARACTERS
    key = user.partition(" ")[0]
    return Job(key, time.monotonic(), int(body["max_tokens"]), system, prompt)


def _delta(delta: dict[str, Any], reason: str | None = None) -> list[Any]:
    return [{"index": 0, "delta": delta, "finish_reason": reason}]


def _event(choices: list[Any], **more: Any) -> bytes:
    value = {"id": "b", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    return b"data: %b\n\n" % json.dumps({**value, "choices": choices, **more}).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _plain(value: Any) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


async def main(port: int) -> None:
    loop, engine = asyncio.get_running_loop(), Engine()
    server = await loop.create_server(lambda: Client(engine), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    gc.disable()  # nothing here makes cycles in numbers
    uvloop.run(main(int(sys.argv[1])))
