"""What the fake LLM server says: the frames and whole answers of each API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sutazai.fleet.declared import Dialect
from tests.gateway.fake_frames import Frames, Said, compact, logprob, sse


class OpenAiFrames(Frames):
    @property
    def _chat(self) -> bool:
        return "chat" in self.path

    def piece(self, token: str) -> bytes:
        return self._delta({"content": token} if self._chat else {"text": token}, [token])

    def thought(self, thinking: str) -> bytes:
        return self._delta({"content": "", "reasoning_content": thinking}, [])

    def _delta(self, words: dict[str, Any], tokens: Sequence[str]) -> bytes:
        body = {"delta": words} if self._chat else words
        return self._choice({**body, **self._logprobs(tokens)})

    def _choice(self, body: dict[str, Any], reason: str | None = None) -> bytes:
        return sse(
            {
                "id": "fake",
                "object": "chat.completion.chunk" if self._chat else "text_completion",
                "created": 1,
                "model": self.model,
                "choices": [{"index": 0, **body, "finish_reason": reason}],
            }
        )

    def _logprobs(self, tokens: Sequence[str]) -> dict[str, Any]:
        if not self.body.get("logprobs") or not tokens:
            return {}
        if self._chat:
            return {"logprobs": {"content": [logprob(token) for token in tokens]}}
        return {
            "logprobs": {
                "tokens": list(tokens),
                "token_logprobs": [-0.5 for _ in tokens],
                "top_logprobs": [{token: -0.5, "?": -1.5} for token in tokens],
                "text_offset": [0 for _ in tokens],
            }
        }

    def end(self, said: Said) -> Iterator[bytes]:
        for index, call in enumerate(said.tool_calls):
            yield from self._call_in_pieces(index, call)
        reason = "tool_calls" if said.tool_calls else said.reason
        yield self._choice({"delta": {}} if self._chat else {"text": ""}, reason)
        if said.usage and (self.body.get("stream_options") or {}).get("include_usage"):
            yield sse({"id": "fake", "created": 1, "choices": [], "usage": _usage(said.usage)})
        yield b"data: [DONE]\n\n"

    def _call_in_pieces(self, index: int, call: dict[str, Any]) -> Iterator[bytes]:
        text = json.dumps(call["arguments"], ensure_ascii=False)
        head = {"index": index, "id": f"id{index}", "type": "function"}
        first = {**head, "function": {"name": call["name"], "arguments": ""}}
        yield self._choice({"delta": {"tool_calls": [first]}})
        for piece in (text[:5], text[5:]):
            more = {"index": index, "function": {"arguments": piece}}
            yield self._choice({"delta": {"tool_calls": [more]}})

    def whole(self, said: Said) -> dict[str, Any]:
        count = self.body.get("n") or 1
        return {
            "id": "fake",
            "object": "chat.completion" if self._chat else "text_completion",
            "created": 1,
            "model": self.model,
            "choices": [{"index": index, **self._whole_choice(said)} for index in range(count)],
            **({"usage": _usage(said.usage)} if said.usage else {}),
        }

    def _whole_choice(self, said: Said) -> dict[str, Any]:
        reason = "tool_calls" if said.tool_calls else said.reason
        ends = {"finish_reason": reason, **self._logprobs(said.tokens)}
        if not self._chat:
            return {"text": said.text, **ends}
        calls = [
            {
                "id": f"id{index}",
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
            }
            for index, call in enumerate(said.tool_calls)
        ]
        message = {
            "role": "assistant",
            "content": said.text,
            **({"reasoning_content": said.thinking} if said.thinking else {}),
            **({"tool_calls": calls} if calls else {}),
        }
        return {"message": message, **ends}

    def error(self, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "server_error", "code": "scripted"}}


def _usage(usage: tuple[int, int]) -> dict[str, int]:
    prompt, completion = usage
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


class OllamaFrames(Frames):
    content_type = "application/x-ndjson"

    @property
    def streamed(self) -> bool:
        return bool(self.body.get("stream", True))

    def piece(self, token: str) -> bytes:
        return self._line({**self._words({"content": token}), **self._logprobs([token])})

    def thought(self, thinking: str) -> bytes:
        return self._line(self._words({"content": "", "thinking": thinking}))

    def _words(self, message: dict[str, Any]) -> dict[str, Any]:
        head = {"model": self.model, "created_at": "2025-01-02T03:04:05Z"}
        if "chat" in self.path:
            return {**head, "message": {"role": "assistant", **message}, "done": False}
        response = {"response" if name == "content" else name: message[name] for name in message}
        return {**head, **response, "done": False}

    def _logprobs(self, tokens: Sequence[str]) -> dict[str, Any]:
        wanted = self.body.get("logprobs") and tokens
        return {"logprobs": [logprob(token) for token in tokens]} if wanted else {}

    def _line(self, value: dict[str, Any]) -> bytes:
        return compact(value).encode() + b"\n"

    def end(self, said: Said) -> Iterator[bytes]:
        if said.tool_calls:
            yield self._line(self._words({"content": "", **self._calls(said)}))
        yield self._line({**self._words({"content": ""}), **self._end(said)})

    def _calls(self, said: Said) -> dict[str, Any]:
        calls = [{"function": call} for call in said.tool_calls]
        return {"tool_calls": calls} if calls else {}

    def _end(self, said: Said) -> dict[str, Any]:
        prompt, completion = said.usage or (0, 0)
        return {
            "done": True,
            "done_reason": said.reason,
            "total_duration": 5_000_000,
            "load_duration": 1_000_000,
            "prompt_eval_count": prompt,
            "prompt_eval_duration": 2_000_000,
            "eval_count": completion,
            "eval_duration": 2_000_000,
        }

    def whole(self, said: Said) -> dict[str, Any]:
        thinking = {"thinking": said.thinking} if said.thinking else {}
        words = self._words({"content": said.text, **thinking, **self._calls(said)})
        return {**words, **self._logprobs(said.tokens), **self._end(said)}

    def error(self, message: str) -> dict[str, Any]:
        return {"error": message}

    def error_frame(self, message: str) -> bytes:
        return self._line(self.error(message))

    def nonsense(self) -> bytes:
        return b"{nonsense\n"

    def most(self) -> int | None:
        found = (self.body.get("options") or {}).get("num_predict")
        return found if isinstance(found, int) and found >= 0 else None


class EmbeddingFrames(Frames):
    """Vectors, in either dialect."""

    embeds = True

    def __init__(self, path: str, body: dict[str, Any], dialect: Dialect) -> None:
        super().__init__(path, body)
        self._dialect = dialect

    def piece(self, token: str) -> bytes:
        raise NotImplementedError

    def thought(self, thinking: str) -> bytes:
        raise NotImplementedError

    def end(self, said: Said) -> Iterator[bytes]:
        raise NotImplementedError

    @property
    def streamed(self) -> bool:
        return False

    def whole(self, said: Said) -> dict[str, Any]:
        asked = self.body.get("input", self.body.get("prompt"))
        inputs = [asked] if isinstance(asked, str) else asked
        vectors = [[float(len(text)), 0.5] for text in inputs or ()]
        if self.path == "/api/embeddings":
            return {"embedding": vectors[0] if vectors else []}
        if self._dialect is Dialect.OLLAMA:
            return {"model": self.model, "embeddings": vectors, "prompt_eval_count": 3}
        data = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 3, "total_tokens": 3}
        return {"object": "list", "data": data, "model": self.model, "usage": usage}

    def error(self, message: str) -> dict[str, Any]:
        return frames_for(self._dialect, "chat", self.body).error(message)


class ResponsesFrames(Frames):
    """OpenAI's Responses API."""

    def begin(self) -> Iterator[bytes]:
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self._response("in_progress"))
        item = {"id": "msg", "type": "message", "role": "assistant", "content": []}
        yield self._event("response.output_item.added", output_index=0, item=item)
        part = {"type": "output_text", "text": "", "annotations": []}
        yield self._event("response.content_part.added", **_AT, part=part)

    def piece(self, token: str) -> bytes:
        return self._event("response.output_text.delta", **_AT, delta=token, logprobs=[])

    def thought(self, thinking: str) -> bytes:
        return self._event("response.reasoning_text.delta", **_AT, delta=thinking)

    def end(self, said: Said) -> Iterator[bytes]:
        yield self._event("response.output_text.done", **_AT, text=said.text, logprobs=[])
        whole = self.whole(said)
        kind = "response.incomplete" if said.reason == "length" else "response.completed"
        yield self._event(kind, response=whole)

    def whole(self, said: Said) -> dict[str, Any]:
        text = {"type": "output_text", "text": said.text, "annotations": []}
        item = {
            "id": "msg",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [text],
        }
        status = "incomplete" if said.reason == "length" else "completed"
        prompt, completion = said.usage or (0, 0)
        usage = {
            "input_tokens": prompt,
            "output_tokens": completion,
            "total_tokens": prompt + completion,
            "input_tokens_details": {"cached_tokens": 1},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        return {**self._response(status), "output": [item], "usage": usage}

    def _response(self, status: str) -> dict[str, Any]:
        return {
            "id": "resp",
            "object": "response",
            "created_at": 1,
            "status": status,
            "error": None,
            "model": self.model,
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }

    def _event(self, kind: str, **fields: Any) -> bytes:
        return sse({"type": kind, "sequence_number": 0, **fields}, kind)

    def error(self, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "server_error", "code": "scripted"}}

    def error_frame(self, message: str) -> bytes:
        failed = {**self._response("failed"), "error": {"code": "scripted", "message": message}}
        return self._event("response.failed", response=failed)


_AT = {"item_id": "msg", "output_index": 0, "content_index": 0}


class MessagesFrames(Frames):
    """Anthropic's Messages API."""

    def begin(self) -> Iterator[bytes]:
        message = {**self._message(), "usage": {"input_tokens": 7, "output_tokens": 0}}
        yield self._event("message_start", message=message)
        yield self._event(
            "content_block_start", index=0, content_block={"type": "text", "text": ""}
        )
        yield self._event("ping")

    def piece(self, token: str) -> bytes:
        return self._event(
            "content_block_delta", index=0, delta={"type": "text_delta", "text": token}
        )

    def thought(self, thinking: str) -> bytes:
        delta = {"type": "thinking_delta", "thinking": thinking}
        return self._event("content_block_delta", index=0, delta=delta)

    def end(self, said: Said) -> Iterator[bytes]:
        yield self._event("content_block_stop", index=0)
        _, completion = said.usage or (0, 0)
        delta = {"stop_reason": self._reason(said), "stop_sequence": None}
        yield self._event("message_delta", delta=delta, usage={"output_tokens": completion})
        yield self._event("message_stop")

    def whole(self, said: Said) -> dict[str, Any]:
        if self.path.endswith("count_tokens"):
            return {"input_tokens": 7}
        prompt, completion = said.usage or (0, 0)
        return {
            **self._message(),
            "content": [{"type": "text", "text": said.text}],
            "stop_reason": self._reason(said),
            "usage": {"input_tokens": prompt, "output_tokens": completion},
        }

    def _reason(self, said: Said) -> str:
        return "max_tokens" if said.reason == "length" else "end_turn"

    def _message(self) -> dict[str, Any]:
        return {
            "id": "msg",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    def _event(self, kind: str, **fields: Any) -> bytes:
        return sse({"type": kind, **fields}, kind)

    def error(self, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "overloaded_error", "message": message}}

    def error_frame(self, message: str) -> bytes:
        return sse(self.error(message), "error")


def frames_for(dialect: Dialect, path: str, body: dict[str, Any]) -> Frames:
    """The frames of the API at ``path``."""
    if "embed" in path:
        return EmbeddingFrames(path, body, dialect)
    if "messages" in path:
        return MessagesFrames(path, body)
    if "responses" in path:
        return ResponsesFrames(path, body)
    return (OpenAiFrames if dialect is Dialect.OPENAI else OllamaFrames)(path, body)
