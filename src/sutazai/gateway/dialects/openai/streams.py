"""OpenAI's streamed answers: relayed, decoded from backends, encoded for clients."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import Any

from sutazai.gateway.dialects.fields import read_object, read_objects
from sutazai.gateway.dialects.neutral import (
    NO_USAGE,
    Delta,
    End,
    Envelope,
    Event,
    Form,
    JsonObject,
    Timings,
    ToolCall,
    said,
)
from sutazai.gateway.dialects.openai import logprobs
from sutazai.gateway.dialects.openai.answers import (
    call_id,
    raise_inband,
    read_thinking,
    read_timings,
    read_usage,
    read_words,
    usage_body,
)
from sutazai.gateway.dialects.sse import DONE, SseRelay, sse
from sutazai.gateway.dialects.streams import (
    LineDecoder,
    count,
    is_one,
    read_frame,
    text,
    write_json,
)

# What makes a frame worth parsing while it is relayed. Inside a text these marks stand with their
# quotes escaped, so that no text is taken for them.
_TELLS = re.compile(rb'"(?:(?:error|timings)"\s*:|finish_reason": ?"|usage": ?\{)').search
_LAST = re.compile(rb'"finish_reason": ?"').search


class OpenAiRelay(SseRelay):
    """Passes OpenAI's frames on."""

    def __init__(self) -> None:
        super().__init__()
        self._is_error = False

    def _is_plain(self, data: bytes) -> bool:
        return _is_plain(data) and not self._is_error

    def _look_aside(self, line: bytes) -> bool:
        if line.startswith(b"event:"):
            self._is_error = line[6:].strip() == b"error"
        elif line.startswith(b"error:"):  # as older llama.cpp servers send it
            raise_inband({"error": read_frame(line[6:].strip())})
        return False

    def _look_at_frame(self, frame: bytes) -> bool:
        if self._is_error:
            raise_inband({"error": read_frame(frame)})
        if not _TELLS(frame):
            self.pieces += 1
            return False
        value = read_frame(frame)
        raise_inband(value)
        if (usage := read_usage(value)) != NO_USAGE:
            self._told = usage
        return _LAST(frame) is not None


def _is_plain(data: bytes) -> bool:
    """Whether ``data`` is one frame, and has nothing that is worth parsing while it is relayed."""
    return is_one(data, b"data: {", b"}\n\n") and not _TELLS(data)


@dataclass(slots=True)
class _CallInPieces:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    def whole(self) -> ToolCall:
        return ToolCall(self.name, "".join(self.arguments) or "{}", self.id)


class OpenAiDecoder(LineDecoder):
    """Events out of a backend's stream. Tool calls come in pieces here and go out whole."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form
        self._is_error = False
        self._calls: dict[int, _CallInPieces] = {}
        self._reason: str | None = None
        self._usage = NO_USAGE
        self._timings = Timings()

    def _is_plain(self, data: bytes) -> bool:
        return _is_plain(data) and not self._calls

    def finish(self) -> list[Event]:
        """Some servers leave out the last frame: what has a reason to have ended has ended."""
        events = super().finish()
        if self.error is None and self._reason is not None:
            self._end(events)
        return events

    def _line(self, line: bytes, events: list[Event]) -> None:
        if line.startswith(b"data:"):
            frame = line[5:].lstrip()
            if frame == DONE:
                self._end(events)
            else:
                self._frame(read_frame(frame), events)
        elif line.startswith(b"event:"):
            self._is_error = line[6:].strip() == b"error"
        elif line.startswith(b"error:"):  # as older llama.cpp servers send it
            raise_inband({"error": read_frame(line[6:].lstrip())})

    def _frame(self, value: JsonObject, events: list[Event]) -> None:
        raise_inband({"error": value} if self._is_error else value)
        if value.get("usage") or value.get("timings"):
            self._usage = read_usage(value)
            self._timings = read_timings(value)
        choices = value.get("choices")
        if isinstance(choices, list) and choices:
            events += said(self._choice(choices[0]))

    def _choice(self, choice: Any) -> Delta:
        choice = read_object(choice, "choices[0]")
        reason = choice.get("finish_reason")
        if reason is not None:
            self._reason = text(reason) or self._reason
        told = choice.get("logprobs")
        found = () if told is None else logprobs.read(told)
        if self._form is Form.COMPLETION:
            return Delta(text(choice.get("text")), "", (), found)
        delta = read_object(choice.get("delta") or {}, "delta")
        if delta.get("tool_calls"):
            self._collect(delta)
        return Delta(read_words(delta), read_thinking(delta), (), found)

    def _collect(self, delta: JsonObject) -> None:
        for piece in read_objects(delta["tool_calls"], "tool_calls"):
            function = read_object(piece.get("function"), "function")
            call = self._calls.setdefault(count(piece.get("index")), _CallInPieces())
            call.id = call.id or text(piece.get("id"))
            call.name = call.name or text(function.get("name"))
            call.arguments.append(text(function.get("arguments")))

    def _end(self, events: list[Event]) -> None:
        if self.ended:
            return
        self.ended = True
        if self._calls:
            calls = tuple([call.whole() for call in self._calls.values()])
            events.append(Delta(tool_calls=calls))
        events.append(End(self._reason or "stop", self._usage, self._timings))


class OpenAiEncoder:
    """A client's stream out of events."""

    def __init__(self, form: Form, envelope: Envelope, *, include_usage: bool) -> None:
        self._form = form
        self._envelope = envelope
        self._include_usage = include_usage
        self._calls = 0
        self._said = 0  # characters
        self._started = form is Form.COMPLETION
        kind = "text_completion" if form is Form.COMPLETION else "chat.completion.chunk"
        self._frame: dict[str, Any] = {
            "id": envelope.id,
            "object": kind,
            "created": int(envelope.created),
            "model": envelope.model,
        }
        self._before, self._after = self._around_text()
        self._around = self._before.encode(), self._after.encode()

    def encode(self, event: Event, elapsed: float) -> bytes:
        if isinstance(event, End):
            return self._end(event)
        if isinstance(event, str):
            if self._started:
                return self._plain(event)
            event = Delta(event)
        told = logprobs.render(self._form, event.logprobs, self._said)
        self._said += len(event.text)
        if self._form is Form.COMPLETION:
            return self._choice({"text": event.text}, told)
        return self._choice({"delta": self._delta(event)}, told)

    def around(self, elapsed: float) -> tuple[bytes, bytes] | None:
        # A completion counts the characters of its texts.
        plain = self._started and self._form is Form.CHAT
        return self._around if plain else None

    def _around_text(self) -> tuple[str, str]:
        """What stands around a piece of text in a frame that has nothing else."""
        head = write_json(self._frame).decode()[:-1]
        place = '"text":' if self._form is Form.COMPLETION else '"delta":{"content":'
        end = "" if self._form is Form.COMPLETION else "}"
        return (
            f'data: {head},"choices":[{{"index":0,{place}',
            f'{end},"logprobs":null,"finish_reason":null}}]}}\n\n',
        )

    def _plain(self, words: str) -> bytes:
        """What nearly all frames are, without building them anew."""
        self._said += len(words)
        try:
            return f"{self._before}{encode_basestring(words)}{self._after}".encode()
        except UnicodeEncodeError:
            is_text = self._form is Form.COMPLETION
            return self._choice({"text": words} if is_text else {"delta": {"content": words}})

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
        identity = call_id(call, self._envelope, index)
        return {"index": index, "id": identity, "type": "function", "function": function}

    def _end(self, event: End) -> bytes:
        reason = "tool_calls" if self._calls and event.reason == "stop" else event.reason
        body = {"text": ""} if self._form is Form.COMPLETION else {"delta": self._delta(Delta())}
        last = self._choice(body, reason=reason)
        if self._include_usage:
            last += sse({**self._frame, "choices": [], "usage": usage_body(event.usage)})
        return last + b"data: " + DONE + b"\n\n"

    def _choice(
        self, body: dict[str, Any], told: JsonObject | None = None, reason: str | None = None
    ) -> bytes:
        choice = {"index": 0, **body, "logprobs": told, "finish_reason": reason}
        return sse({**self._frame, "choices": [choice]})
