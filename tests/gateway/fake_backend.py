"""An LLM server that does what a test tells it to: a real server, of either dialect.

Everything can be changed while it runs: assign to `FakeBackend.script`. It also runs as a process
of its own, ``python -m tests.gateway.fake_backend --port 0``, which says its port on the first line
of its output and is told what to do at ``/control`` (see `Control`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import PeerClosed
from sutazai.wire import Headers, Request, Response, Router, Server, ServerLimits, json_response
from tests.gateway.fake_dialects import frames_for
from tests.gateway.fake_engine import Engine, Entry
from tests.gateway.fake_frames import Frames
from tests.gateway.fake_script import TOOL_CALL, Answer, Script, script_of

__all__ = ["TOOL_CALL", "FakeBackend", "Script", "Seen"]

_PATHS = {
    Dialect.OPENAI: ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"),
    Dialect.OLLAMA: ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings"),
}
_BROKEN = "broken"
_FURTHER = ("/v1/responses", "/v1/messages", "/v1/messages/count_tokens")


@dataclass
class Seen:
    """One request that came in."""

    path: str
    raw: bytes
    body: dict[str, Any]
    headers: Headers


@dataclass
class FakeBackend:
    """Use as ``async with``.

    Args:
        further: whether it has the Responses and Messages APIs, too.
        half_closed: seconds until a client that shut its side is taken to be gone.
    """

    dialect: Dialect = Dialect.OPENAI
    models: tuple[str, ...] = ("fake-7b", "fake-70b")
    script: Script = field(default_factory=Script)
    further: bool = True
    half_closed: float = 0.25
    seen: list[Seen] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    left: int = 0
    port: int = 0
    list_status: int = 200

    def __post_init__(self) -> None:
        self.engine = Engine(lambda: self.script.pace)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The bodies of all LLM calls."""
        return [seen.body for seen in self.seen]

    @property
    def ledger(self) -> list[Entry]:
        return self.engine.ledger

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        router = Router()
        if self.dialect is Dialect.OPENAI:
            router.add("GET", "/v1/models", self._openai_models)
        else:
            router.add("GET", "/api/tags", self._ollama_tags)
            router.add("GET", "/api/ps", self._ollama_tags)
            router.add("POST", "/api/show", self._ollama_show)
        for path in (*_PATHS[self.dialect], *(_FURTHER if self.further else ())):
            router.add("POST", path, self._answer)
        Control(self).serve(router)
        self._server = Server(router, ServerLimits(half_closed=self.half_closed))
        self.port = await self._server.listen_tcp("127.0.0.1", port, "fake")

    async def stop(self) -> None:
        await self._server.close(grace=0)
        await self.engine.stop()

    # lists

    async def _openai_models(self, request: Request) -> Response:
        data = [
            {"id": name, "object": "model", "created": 1, "owned_by": "tests"}
            for name in self.models
        ]
        return json_response({"object": "list", "data": data}, self.list_status)

    async def _ollama_tags(self, request: Request) -> Response:
        entries = [
            {
                "name": name,
                "model": name,
                "modified_at": "2025-01-02T03:04:05Z",
                "size": 5,
                "digest": "abc",
                "details": {"family": "llama"},
            }
            for name in self.models
        ]
        return json_response({"models": entries}, self.list_status)

    async def _ollama_show(self, request: Request) -> Response:
        body = await request.json()
        return json_response(
            {"modelfile": f"FROM {body['model']}", "details": {}, "model_info": {}}
        )

    # calls

    async def _answer(self, request: Request) -> Response:
        raw = await request.read()
        body = json.loads(raw)
        self.seen.append(Seen(request.path, raw, body, request.headers))
        frames = frames_for(self.dialect, request.path, body)
        entry = self.engine.enter(request.path, body, frames.prompt(), frames.words())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        body_stream: Any = None
        try:
            response = await self._respond(frames, entry)
            body_stream = response.body
            return response
        except asyncio.CancelledError:
            if entry.how != _BROKEN:
                self.left += 1
                entry.left = entry.left or time.monotonic()
            raise
        finally:
            if not hasattr(body_stream, "__aiter__"):
                self.running -= 1

    async def _respond(self, frames: Frames, entry: Entry) -> Response:
        script = self.script
        if script.hold is not None:
            await script.hold.wait()
        if script.hang_after == 0:
            await asyncio.Event().wait()
        if script.drop_after == -1:
            entry.how = _BROKEN
            raise asyncio.CancelledError("as scripted")  # which breaks the connection
        if script.status != 200 or _every(script.fail_every, entry.number):
            return self._refuse(frames, entry)
        if script.whole is not None:
            entry.how = "done"
            return Response(200, [("content-type", "application/json")], script.whole)
        answer = Answer(self.engine, frames, entry, script)
        if frames.streamed:
            body = _Body(self, answer)
            return Response(200, [("content-type", frames.content_type)], body)
        return json_response(await answer.whole())

    def _refuse(self, frames: Frames, entry: Entry) -> Response:
        script = self.script
        entry.how = "refused"
        status = 500 if script.status == 200 else script.status
        wait = [] if script.retry_after is None else [("retry-after", str(script.retry_after))]
        return json_response(frames.error("scripted trouble"), status, wait)


def _every(nth: int, number: int) -> bool:
    return nth > 0 and (number + 1) % nth == 0


class _Body:
    """The streamed answer; notices whether the client took all of it."""

    def __init__(self, backend: FakeBackend, answer: Answer) -> None:
        self._backend = backend
        self._answer = answer
        self._pieces = answer.pieces()
        self._complete = self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except (StopAsyncIteration, PeerClosed):
            self._complete = True
            raise

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._backend.running -= 1
            self._backend.left += not self._complete
            self._answer.leave(complete=self._complete)
        await self._pieces.aclose()  # type: ignore[attr-defined]


class Control:
    """The fake's own endpoints: ``PUT /control/script`` changes what is given of the script and
    its pace, ``GET /control/ledger`` lists the calls from ``?since=NUMBER`` on, and ``GET
    /control`` says how many run, wait, and have come and left."""

    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend

    def serve(self, router: Router) -> None:
        router.add("GET", "/control", self.state)
        router.add("GET", "/control/ledger", self.ledger)
        router.add("PUT", "/control/script", self.change)

    async def state(self, request: Request) -> Response:
        backend, engine = self._backend, self._backend.engine
        return json_response(
            {
                "running": engine.running,
                "most_running": engine.most_running,
                "waiting": engine.waiting,
                "received": len(engine.ledger),
                "left": backend.left,
            }
        )

    async def ledger(self, request: Request) -> Response:
        since = int(request.query.get("since", "0"))
        return json_response([asdict(entry) for entry in self._backend.ledger[since:]])

    async def change(self, request: Request) -> Response:
        value = await request.json()
        self._backend.script = script_of(value, self._backend.script)
        return json_response({})


async def serve(port: int, dialect: Dialect, script: Script) -> None:
    """Runs one until its input ends."""
    backend = FakeBackend(dialect, script=script, half_closed=0.01)
    await backend.start(port)
    try:
        print(backend.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await backend.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="A scriptable LLM server; ends with its input.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dialect", type=Dialect, choices=list(Dialect), default=Dialect.OPENAI)
    parser.add_argument("--script", type=json.loads, default={}, help="as PUT /control/script")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.dialect, script_of(given.script, Script())))


if __name__ == "__main__":
    main()
