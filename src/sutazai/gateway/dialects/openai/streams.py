"""OpenAI's streamed answers: relayed, decoded from backends, encoded for clients."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.errors import BadPeer, SutazaiError
from sutazai.gateway.dialects.fields import read_object, read_objects
from sutazai.gateway.dialects.neutral import (
    Delta,
    End,
    Envelope,
    Event,
    Form,
    JsonObject,
    Timings,
    ToolCall,
    Usage,
)
from sutazai.gateway.dialects.openai.answers import (
    raise_inband,
    read_thinking,
    read_timings,
    read_usage,
    usage_body,
)
from sutazai.gateway.dialects.streams import (
    Relay,
    backend_speaks,
    count,
    read_frame,
    text,
    write_json,
)
from sutazai.wire import SseDecoder

DONE = b"data: [DONE]\n\n"


class OpenAiRelay(Relay):
    """Passes OpenAI's frames on; one that tells no usage counts as one token."""

    def __init__(self) -> None:
        super().__init__()
        self._told = False

    def _look(self, line: bytes) -> bool:
        if not line.startswith(b"data:"):
            if line.startswith(b"error:"):  # as older llama.cpp servers send it
                raise_inband({"error": read_frame(line[6:])})
            return False
        frame = line[5:].strip()
        last = frame == b"[DONE]" or self._look_at_frame(frame)
        self.ended = self.ended or last
        return last

    def _look_at_frame(self, frame: bytes) -> bool:
        """Whether the frame tells why the answer ends."""
        if not (frame.startswith(b"{") and frame.endswith(b"}")):
            raise BadPeer("the backend sent a frame that is not a JSON object")
        last = _finishes(frame)
        if last or _tells(frame):
            self._note(read_frame(frame))
        if not last and not self._told:
            self.usage = Usage(0, self.usage.completion_tokens + 1)
        return last

    def _note(self, value: JsonObject) -> None:
        raise_inband(value)
        if (usage := read_usage(value)) != Usage():
            self.usage, self._told = usage, True


# What makes a frame worth parsing while it is relayed. Inside a text these marks stand with their
# quotes escaped, so that no text is taken for them.


def _finishes(frame: bytes) -> bool:
    return b'"finish_reason":"' in frame or b'"finish_reason": "' in frame


def _tells(frame: bytes) -> bool:
    return (
        b'"error"' in frame
        or b'"timings"' in frame
        or b'"usage":{' in frame
        or b'"usage": {' in frame
    )


class OpenAiDecoder:
    """Events out of a backend's stream. Tool calls come in pieces here and go out whole."""

    def __init__(self, form: Form) -> None:
        self.error: SutazaiError | None = None
        self.ended = False
        self._form = form
        self._frames = SseDecoder()
        self._calls: dict[int, list[str]] = {}  # index → id, name, arguments so far
        self._reason: str | None = None
        self._usage = Usage()
        self._timings = Timings()

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        try:
            with backend_speaks:
                for frame in self._frames.feed(data):
                    events += self._frame(frame.event, frame.data)
        except SutazaiError as error:
            self.error = error
        return events

    def finish(self) -> list[Event]:
        """Some servers leave out the last frame: what has a reason to have ended has ended."""
        return self.feed(b"\n\n") + ([] if self.error or self._reason is None else self._end())

    def _frame(self, event: str, data: str) -> list[Event]:
        if data.strip() == "[DONE]":
            return self._end()
        value = read_frame(data)
        raise_inband({"error": value} if event == "error" else value)
        if value.get("usage") or value.get("timings"):
            self._usage = read_usage(value)
        if value.get("timings"):
            self._timings = read_timings(value)
        choices = value.get("choices")
        return self._choice(choices[0]) if isinstance(choices, list) and choices else []

    def _choice(self, choice: Any) -> list[Event]:
        choice = read_object(choice, "choices[0]")
        self._reason = text(choice.get("finish_reason")) or self._reason
        if self._form is Form.COMPLETION:
            delta = Delta(text(choice.get("text")))
        else:
            delta = self._delta(read_object(choice.get("delta") or {}, "delta"))
        return [delta] if delta.text or delta.thinking else []

    def _delta(self, value: JsonObject) -> Delta:
        for piece in read_objects(value.get("tool_calls"), "tool_calls"):
            self._collect(piece)
        return Delta(text(value.get("content")), read_thinking(value))

    def _collect(self, piece: JsonObject) -> None:
        function = read_object(piece.get("function"), "function")
        call = self._calls.setdefault(count(piece.get("index")), ["", "", ""])
        call[0] = call[0] or text(piece.get("id"))
        call[1] = call[1] or text(function.get("name"))
        call[2] += text(function.get("arguments"))

    def _end(self) -> list[Event]:
        if self.ended:
            return []
        self.ended = True
        calls = tuple(
            ToolCall(name, given or "{}", id_) for id_, name, given in self._calls.values()
        )
        end = End(self._reason or "stop", self._usage, self._timings)
        return [Delta(tool_calls=calls), end] if calls else [end]


class OpenAiEncoder:
    """A client's stream out of events."""

    def __init__(self, form: Form, envelope: Envelope, *, include_usage: bool) -> None:
        self._form = form
        self._include_usage = include_usage
        self._calls = 0
        self._started = form is Form.COMPLETION
        kind = "text_completion" if form is Form.COMPLETION else "chat.completion.chunk"
        self._frame: dict[str, Any] = {
            "id": envelope.id,
            "object": kind,
            "created": int(envelope.created),
            "model": envelope.model,
        }

    def encode(self, event: Event, elapsed: float) -> bytes:
        if isinstance(event, End):
            return self._end(event)
        if self._form is Form.COMPLETION:
            return self._choice({"text": event.text})
        return self._choice({"delta": self._delta(event)})

    def _delta(self, event: Delta) -> dict[str, Any]:
        delta: dict[str, Any] = {} if self._started else {"role": "assistant"}
        self._started = True
        if event.text:
            delta["content"] = event.text
        if event.thinking:
            delta["reasoning_content"] = event.thinking
        if event.tool_calls:
            delta["tool_calls"] = [self._call(call) for call in event.tool_calls]
        return delta

    def _call(self, call: ToolCall) -> dict[str, Any]:
        index, self._calls = self._calls, self._calls + 1
        function = {"name": call.name, "arguments": call.arguments}
        identity = call.id or f"call_{index}"
        return {"index": index, "id": identity, "type": "function", "function": function}

    def _end(self, event: End) -> bytes:
        reason = "tool_calls" if self._calls and event.reason == "stop" else event.reason
        body = {"text": ""} if self._form is Form.COMPLETION else {"delta": self._delta(Delta())}
        last = self._choice(body, reason)
        if self._include_usage:
            last += sse({**self._frame, "choices": [], "usage": usage_body(event.usage)})
        return last + DONE

    def _choice(self, body: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, **body, "logprobs": None, "finish_reason": reason}
        return sse({**self._frame, "choices": [choice]})


def sse(value: Any) -> bytes:
    """One frame."""
    return b"data: " + write_json(value) + b"\n\n"
