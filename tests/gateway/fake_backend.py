"""An LLM server that does what a test tells it to: a real server, of either dialect.

Everything can be changed while it runs: assign to `FakeBackend.script`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from sutazai.fleet.errors import PeerClosed
from sutazai.fleet.spec import Dialect
from sutazai.wire import Headers, Request, Response, Router, Server, json_response, sse_event

TOOL_CALL = {"name": "look_up", "arguments": {"city": "Zürich"}}


@dataclass(frozen=True)
class Script:
    """How the backend answers.

    Args:
        tokens: the pieces of every answer.
        thinking: what the model thinks before it.
        tool_calls: calls it asks for in the end.
        reason: why it ends.
        usage: prompt and completion tokens; None leaves them out.
        delay: seconds before each frame.
        cut: sends streams in pieces of so many bytes, wherever that cuts them.
        status: answers with this status and an error.
        error_after: sends an error within a 200 stream after so many tokens.
        drop_after: breaks the connection after so many tokens.
        end_after: ends the stream properly, but after so many tokens and with no last frame.
        nonsense_after: sends something that is no JSON after so many tokens.
        whole: what an answer without a stream is, byte for byte.
        hang_after: sends nothing more after so many tokens; 0 also keeps the headers back.
        hold: waits before it answers at all.
    """

    tokens: tuple[str, ...] = ("Hello", ", ", "wörld", " 🌍")
    thinking: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    reason: str = "stop"
    usage: tuple[int, int] | None = (7, 4)
    delay: float = 0.0
    cut: int = 0
    status: int = 200
    error_after: int | None = None
    drop_after: int | None = None
    end_after: int | None = None
    nonsense_after: int | None = None
    whole: bytes | None = None
    hang_after: int | None = None
    hold: asyncio.Event | None = None


@dataclass
class Seen:
    """One request that came in."""

    path: str
    body: dict[str, Any]
    headers: Headers


@dataclass
class FakeBackend:
    """Use as ``async with``."""

    dialect: Dialect = Dialect.OPENAI
    models: tuple[str, ...] = ("fake-7b", "fake-70b")
    script: Script = field(default_factory=Script)
    seen: list[Seen] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    left: int = 0
    port: int = 0
    list_status: int = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The bodies of all LLM calls."""
        return [seen.body for seen in self.seen]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        router = Router()
        if self.dialect is Dialect.OPENAI:
            router.add("GET", "/v1/models", self._openai_models)
            for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
                router.add("POST", path, self._answer)
        else:
            router.add("GET", "/api/tags", self._ollama_tags)
            router.add("GET", "/api/ps", self._ollama_tags)
            router.add("POST", "/api/show", self._ollama_show)
            for path in ("/api/chat", "/api/generate", "/api/embed"):
                router.add("POST", path, self._answer)
        self._server = Server(router)
        self.port = await self._server.listen_tcp("127.0.0.1", port, "fake")

    async def stop(self) -> None:
        await self._server.close(grace=0)

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
        body = await request.json()
        self.seen.append(Seen(request.path, body, request.headers))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        body_stream: Any = None
        try:
            response = await self._respond(request.path, body)
            body_stream = response.body
            return response
        except asyncio.CancelledError:
            self.left += 1
            raise
        finally:
            if not hasattr(body_stream, "__aiter__"):
                self.running -= 1

    async def _respond(self, path: str, body: dict[str, Any]) -> Response:
        script = self.script
        if script.hold is not None:
            await script.hold.wait()
        if script.hang_after == 0:
            await asyncio.Event().wait()
        if script.status != 200:
            return json_response(self._error("scripted trouble"), script.status)
        if script.whole is not None:
            return Response(200, [("content-type", "application/json")], script.whole)
        frames = Frames(self.dialect, path, body, script)
        if not frames.streamed:
            await asyncio.sleep(script.delay)
            return json_response(frames.whole())
        return Response(200, [("content-type", frames.content_type)], _Body(self, frames))

    def _error(self, message: str) -> dict[str, Any]:
        if self.dialect is Dialect.OLLAMA:
            return {"error": message}
        return {"error": {"message": message, "type": "server_error", "code": "scripted"}}


class _Body:
    """The streamed answer; notices whether the client took all of it."""

    def __init__(self, backend: FakeBackend, frames: Frames) -> None:
        self._backend = backend
        self._pieces = frames.pieces()
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
        await self._pieces.aclose()  # type: ignore[attr-defined]


@dataclass
class Frames:
    """The frames of one answer."""

    dialect: Dialect
    path: str
    body: dict[str, Any]
    script: Script

    @property
    def openai(self) -> bool:
        return self.dialect is Dialect.OPENAI

    @property
    def streamed(self) -> bool:
        return bool(self.body.get("stream", not self.openai)) and "embed" not in self.path

    @property
    def chat(self) -> bool:
        return "chat" in self.path

    @property
    def content_type(self) -> str:
        return "text/event-stream" if self.openai else "application/x-ndjson"

    @property
    def model(self) -> str:
        return str(self.body.get("model"))

    async def pieces(self) -> AsyncIterator[bytes]:
        buffer = b""
        for frame in self._scripted():
            if frame == b"HANG":
                await asyncio.Event().wait()
            if frame == b"DROP":
                raise PeerClosed("as scripted")
            await asyncio.sleep(self.script.delay)
            buffer += frame
            step = self.script.cut or len(buffer)
            while len(buffer) >= step and buffer:
                yield buffer[:step]
                buffer = buffer[step:]
                if self.script.cut:
                    await asyncio.sleep(0)
        if buffer:
            yield buffer

    def _scripted(self) -> Iterator[bytes]:
        script = self.script
        if script.thinking:
            yield self._frame(self._delta(thinking=script.thinking))
        for index in range(len(script.tokens) + 1):
            if index == script.error_after:
                yield self._frame(self._error())
            if index == script.drop_after:
                yield b"DROP"
            if index == script.end_after:
                return
            if index == script.hang_after:
                yield b"HANG"
            if index == script.nonsense_after:
                yield b"data: {nonsense\n\n" if self.openai else b"{nonsense\n"
            if index < len(script.tokens):
                yield self._frame(self._delta(script.tokens[index]))
        yield from self._last()

    def _frame(self, value: dict[str, Any]) -> bytes:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return sse_event(text) if self.openai else text.encode() + b"\n"

    def _error(self) -> dict[str, Any]:
        if self.openai:
            return {"error": {"message": "scripted trouble", "code": "scripted"}}
        return {"error": "scripted trouble"}

    def _delta(self, text: str = "", thinking: str = "") -> dict[str, Any]:
        if self.openai:
            delta = {"content": text, **({"reasoning_content": thinking} if thinking else {})}
            return self._choice({"delta": delta} if self.chat else {"text": text})
        return self._ollama({"content": text, **({"thinking": thinking} if thinking else {})})

    def _choice(self, body: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, **body, "finish_reason": reason}
        return {
            "id": "fake",
            "object": "chunk",
            "created": 1,
            "model": self.model,
            "choices": [choice],
        }

    def _ollama(self, message: dict[str, Any], **last: Any) -> dict[str, Any]:
        words = (
            {"message": {"role": "assistant", **message}}
            if self.chat
            else {"response": message.get("content", "")}
        )
        head = {"model": self.model, "created_at": "2025-01-02T03:04:05Z"}
        return {**head, **words, "done": bool(last), **last}

    def _last(self) -> Iterator[bytes]:
        if not self.openai:
            if self.script.tool_calls:
                calls = [{"function": call} for call in self.script.tool_calls]
                yield self._frame(self._ollama({"content": "", "tool_calls": calls}))
            yield self._frame(self._ollama({"content": ""}, **self._ollama_end()))
            return
        if self.script.tool_calls:
            yield from map(self._frame, self._openai_calls())
        reason = "tool_calls" if self.script.tool_calls else self.script.reason
        yield self._frame(self._choice({"delta": {}} if self.chat else {"text": ""}, reason))
        if self.script.usage and (self.body.get("stream_options") or {}).get("include_usage"):
            yield self._frame({**self._choice({}), "choices": [], "usage": self._usage()})
        yield b"data: [DONE]\n\n"

    def _openai_calls(self) -> Iterator[dict[str, Any]]:
        """Tool calls come in pieces, as real servers send them."""
        for index, call in enumerate(self.script.tool_calls):
            text = json.dumps(call["arguments"], ensure_ascii=False)
            head = {"index": index, "id": f"id{index}", "type": "function"}
            first = {**head, "function": {"name": call["name"], "arguments": ""}}
            yield self._choice({"delta": {"tool_calls": [first]}})
            for piece in (text[:5], text[5:]):
                more = {"index": index, "function": {"arguments": piece}}
                yield self._choice({"delta": {"tool_calls": [more]}})

    def _usage(self) -> dict[str, int]:
        prompt, completion = self.script.usage or (0, 0)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def _ollama_end(self) -> dict[str, Any]:
        prompt, completion = self.script.usage or (0, 0)
        return {
            "done_reason": self.script.reason,
            "total_duration": 5_000_000,
            "load_duration": 1_000_000,
            "prompt_eval_count": prompt,
            "prompt_eval_duration": 2_000_000,
            "eval_count": completion,
            "eval_duration": 2_000_000,
        }

    def whole(self) -> dict[str, Any]:
        if "embed" in self.path:
            return self._embeddings()
        text = "".join(self.script.tokens)
        if not self.openai:
            thinking = {"thinking": self.script.thinking} if self.script.thinking else {}
            calls = [{"function": call} for call in self.script.tool_calls]
            message = {"content": text, **thinking, **({"tool_calls": calls} if calls else {})}
            return self._ollama(message, **self._ollama_end())
        return {
            "id": "fake",
            "object": "chat.completion",
            "created": 1,
            "model": self.model,
            "choices": [self._whole_choice(text)],
            **({"usage": self._usage()} if self.script.usage else {}),
        }

    def _whole_choice(self, text: str) -> dict[str, Any]:
        calls = [
            {
                "id": f"id{index}",
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
            }
            for index, call in enumerate(self.script.tool_calls)
        ]
        reason = "tool_calls" if calls else self.script.reason
        if not self.chat:
            return {"index": 0, "text": text, "finish_reason": reason}
        message = {
            "role": "assistant",
            "content": text,
            **({"reasoning_content": self.script.thinking} if self.script.thinking else {}),
            **({"tool_calls": calls} if calls else {}),
        }
        return {"index": 0, "message": message, "finish_reason": reason}

    def _embeddings(self) -> dict[str, Any]:
        asked = self.body["input"]
        inputs = [asked] if isinstance(asked, str) else asked
        vectors = [[float(len(text)), 0.5] for text in inputs]
        if not self.openai:
            return {"model": self.model, "embeddings": vectors, "prompt_eval_count": 3}
        data = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 3, "total_tokens": 3}
        return {"object": "list", "data": data, "model": self.model, "usage": usage}
