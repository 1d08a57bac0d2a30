"""OpenAI's requests: parsed from clients, rendered for backends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sutazai.fleet.errors import BadInput
from sutazai.gateway.dialects.fields import (
    read_count,
    read_flag,
    read_object,
    read_objects,
    read_sampling,
    read_text,
    read_texts,
    write_sampling,
)
from sutazai.gateway.dialects.neutral import (
    Call,
    Chat,
    Completion,
    Embedding,
    Form,
    JsonFormat,
    JsonObject,
    Message,
    ToolCall,
)

_READ_AS = {"max_tokens": ("max_completion_tokens", "max_tokens")}
_ONE_CHAT: dict[str, Any] = {"n": 1, "functions": None, "modalities": ["text"]}
_ONE_COMPLETION: dict[str, Any] = {"n": 1, "best_of": 1, "echo": None}
"""What one plain answer may be asked for with: nothing, or this."""

_HINTS = {"functions": "send `tools` instead"}
_IMAGE_TYPES = {"iVBOR": "png", "R0lGO": "gif", "UklGR": "webp"}  # by the head of their base64


def parse(form: Form, body: JsonObject) -> Call:
    """The call that ``body`` asks for. Raises BadInput."""
    return _PARSERS[form](body)


def render(call: Call, model: str) -> dict[str, Any]:
    """The body that asks a backend's ``model`` for ``call``."""
    if isinstance(call, Chat):
        return {"model": model, **_chat_body(call)}
    if isinstance(call, Completion):
        return {"model": model, **_completion_body(call)}
    extent = {} if call.dimensions is None else {"dimensions": call.dimensions}
    return {"model": model, "input": list(call.inputs), **extent}


# parsing


def _parse_chat(body: JsonObject) -> Chat:
    _refuse(body, _ONE_CHAT)
    messages = read_objects(body.get("messages"), "messages")
    if not messages:
        raise BadInput("messages must not be empty")
    return Chat(
        messages=_with_tool_names([_message(message) for message in messages]),
        sampling=read_sampling(body, _READ_AS),
        json_format=_json_format(body.get("response_format")),
        tools=read_objects(body.get("tools"), "tools"),
        tool_choice=body.get("tool_choice"),
        effort=_effort(body),
        logprobs=_top(body.get("top_logprobs")) if body.get("logprobs") else None,
        **_streaming(body),
    )


def _parse_completion(body: JsonObject) -> Completion:
    _refuse(body, _ONE_COMPLETION)
    prompts = read_texts(body.get("prompt", ""), "prompt")
    if len(prompts) != 1:
        raise BadInput("prompt must be a single text for this model's backend")
    logprobs = body.get("logprobs")
    return Completion(
        prompt=prompts[0],
        suffix=read_text(body.get("suffix"), "suffix"),
        sampling=read_sampling(body, _READ_AS),
        logprobs=None if logprobs in (None, False) else _top(logprobs),
        **_streaming(body),
    )


def _parse_embedding(body: JsonObject) -> Embedding:
    encoding = read_text(body.get("encoding_format"), "encoding_format")
    return Embedding(
        inputs=read_texts(body.get("input"), "input"),
        dimensions=body.get("dimensions"),
        base64=encoding == "base64",
    )


_PARSERS: dict[Form, Callable[[JsonObject], Call]] = {
    Form.CHAT: _parse_chat,
    Form.COMPLETION: _parse_completion,
    Form.EMBEDDING: _parse_embedding,
}


def _refuse(body: JsonObject, fields: Mapping[str, Any]) -> None:
    """What would change the answer, and what no other dialect has, is refused, not dropped."""
    for name, plain in fields.items():
        if body.get(name) and body[name] != plain:
            allowed = "cannot be had" if plain is None else f"must be {json.dumps(plain)}"
            raise BadInput(f"{name} {allowed} for this model's backend", hint=_HINTS.get(name))


def _top(value: Any) -> int:
    """How many alternatives of each token are to be told."""
    return 0 if value is None else read_count(value, "top_logprobs")


def _effort(body: JsonObject) -> str | None:
    """How hard to think; some send it as it stands in the Responses API."""
    effort = body.get("reasoning_effort")
    reasoning = body.get("reasoning")
    if effort is None and isinstance(reasoning, Mapping):
        effort = reasoning.get("effort")
    return read_text(effort, "reasoning_effort") or None


def _streaming(body: JsonObject) -> dict[str, bool]:
    options = body.get("stream_options") or {}
    return {
        "stream": read_flag(body.get("stream"), "stream", default=False),
        "include_usage": bool(read_object(options, "stream_options").get("include_usage")),
    }


def _message(value: JsonObject) -> Message:
    role = read_text(value.get("role"), "role")
    text, images = _content(value.get("content"))
    return Message(
        role="system" if role == "developer" else role,
        text=text,
        thinking=_thinking(value),
        images=images,
        tool_calls=tuple(map(_tool_call, read_objects(value.get("tool_calls"), "tool_calls"))),
        call_id=read_text(value.get("tool_call_id"), "tool_call_id"),
    )


def _thinking(message: JsonObject) -> str:
    """What the model thought earlier; clients send it back under the name they got it by."""
    for name in ("reasoning_content", "reasoning"):
        if message.get(name):
            return read_text(message[name], name)
    return ""


def _content(value: Any) -> tuple[str, tuple[str, ...]]:
    if not isinstance(value, list):
        return read_text(value, "content"), ()
    texts, images = [], []
    for part in read_objects(value, "content"):
        if part.get("type") == "text":
            texts.append(read_text(part.get("text"), "text"))
        elif part.get("type") == "image_url":
            images.append(_image(part.get("image_url")))
        elif part.get("type") == "refusal":
            texts.append(read_text(part.get("refusal"), "refusal"))
        else:
            raise BadInput(f"this model's backend takes no content of type {part.get('type')!r}")
    return "\n".join(texts), tuple(images)


def _image(value: Any) -> str:
    # A bare URL is no OpenAI, but many send it.
    url = value if isinstance(value, str) else read_object(value, "image_url").get("url")
    url = read_text(url, "image_url.url")
    head, separator, data = url.partition(";base64,")
    if not separator or not head.startswith("data:"):
        raise BadInput(
            "this model's backend takes images in base64 only",
            hint="send the image as data:image/png;base64,…",
        )
    return data


def _tool_call(value: JsonObject) -> ToolCall:
    function = read_object(value.get("function"), "function")
    return ToolCall(
        name=read_text(function.get("name"), "function.name"),
        arguments=read_text(function.get("arguments"), "function.arguments") or "{}",
        id=read_text(value.get("id"), "id"),
    )


def _with_tool_names(messages: list[Message]) -> tuple[Message, ...]:
    """Tool results name the call they answer; other dialects want the tool's name."""
    names: dict[str, str] = {}  # by the ids of the latest calls, for some give them out again
    named = []
    for message in messages:
        names.update({call.id: call.name for call in message.tool_calls})
        known = names.get(message.call_id)
        named.append(replace(message, tool_name=known) if known else message)
    return tuple(named)


def _json_format(value: Any) -> JsonFormat | None:
    if value is None:
        return None
    kind = read_object(value, "response_format").get("type")
    if kind == "json_schema":
        return JsonFormat(_schema(read_object(value.get("json_schema"), "json_schema")))
    if kind == "json_object":
        return JsonFormat(value.get("schema"))
    if kind in (None, "text"):
        return None
    raise BadInput(f"response_format.type {kind!r} is not known")


def _schema(value: JsonObject) -> JsonObject:
    return read_object(value.get("schema"), "json_schema.schema")


# rendering


def _chat_body(call: Chat) -> dict[str, Any]:
    optional = {
        "response_format": _response_format(call.json_format),
        "tools": list(call.tools) or None,
        "tool_choice": call.tool_choice if call.tools else None,
        "reasoning_effort": call.effort,
        "logprobs": None if call.logprobs is None else True,
        "top_logprobs": _alternatives(call.logprobs),
    }
    return {
        "messages": [_message_body(message) for message in call.messages],
        **write_sampling(call.sampling, {}),
        **{name: value for name, value in optional.items() if value is not None},
        **_stream_body(call.stream),
    }


def _completion_body(call: Completion) -> dict[str, Any]:
    return {
        "prompt": call.prompt,
        **({"suffix": call.suffix} if call.suffix else {}),
        **({} if call.logprobs is None else {"logprobs": _alternatives(call.logprobs)}),
        **write_sampling(call.sampling, {}),
        **_stream_body(call.stream),
    }


def _alternatives(logprobs: int | None) -> int | None:
    return None if logprobs is None else max(logprobs, 1)  # llama.cpp takes nought for no logprobs


def _stream_body(stream: bool) -> dict[str, Any]:
    # The usage is always asked for: another dialect's last frame has the counts.
    usage = {"stream_options": {"include_usage": True}} if stream else {}
    return {"stream": stream, **usage}


def _response_format(json_format: JsonFormat | None) -> Mapping[str, Any] | None:
    if json_format is None:
        return None
    if json_format.schema is None:
        return {"type": "json_object"}
    schema = {"name": "answer", "strict": True, "schema": json_format.schema}
    return {"type": "json_schema", "json_schema": schema}


def streamed(form: Form, body: JsonObject) -> dict[str, Any] | None:
    """``body``, asking for a stream with usage; None where one answer would not be all."""
    fields = {Form.CHAT: _ONE_CHAT, Form.COMPLETION: _ONE_COMPLETION}.get(form)
    if fields is None or isinstance(body.get("prompt"), list):
        return None
    if any(body.get(name) and body[name] != plain for name, plain in fields.items()):
        return None
    return {**body, "stream": True, "stream_options": {"include_usage": True}}


def _message_body(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": _content_body(message)}
    if message.thinking:
        body["reasoning_content"] = message.thinking
    if message.tool_calls:
        body["tool_calls"] = [tool_call_body(call) for call in message.tool_calls]
    if message.call_id:
        body["tool_call_id"] = message.call_id
    return body


def _content_body(message: Message) -> Any:
    if not message.images:
        return None if message.tool_calls and not message.text else message.text
    images = [
        {"type": "image_url", "image_url": {"url": _data_url(image)}} for image in message.images
    ]
    return [{"type": "text", "text": message.text}, *images]


def _data_url(image: str) -> str:
    return f"data:image/{_IMAGE_TYPES.get(image[:5], 'jpeg')};base64,{image}"


def tool_call_body(call: ToolCall) -> dict[str, Any]:
    """A tool call as it stands in requests and in answers."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
