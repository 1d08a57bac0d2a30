"""Ollama's requests: parsed from clients, rendered for backends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sutazai.fleet.errors import BadInput
from sutazai.gateway.dialects.fields import (
    read_arguments,
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
    Sampling,
    ToolCall,
)

_READ_AS = {"max_tokens": ("num_predict",)}
_WRITTEN_AS = {"max_tokens": "num_predict"}
_LEVELS: dict[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "medium": True,  # the same, and older versions take a level for few models only
    "xhigh": "high",
}
"""How Ollama says what it has no word of its own for; other levels are called the same."""


def parse(form: Form, body: JsonObject) -> Call:
    """The call that ``body`` asks for. Raises BadInput."""
    return _PARSERS[form](body)


def render(call: Call, model: str) -> dict[str, Any]:
    """The body that asks a backend's ``model`` for ``call``."""
    if isinstance(call, Chat):
        return {"model": model, **_chat_body(call)}
    if isinstance(call, Completion):
        return {"model": model, **_generate_body(call)}
    extent = {} if call.dimensions is None else {"dimensions": call.dimensions}
    return {"model": model, "input": list(call.inputs), **extent}


def only_loads(form: Form, body: JsonObject) -> bool:
    """Whether the call asks for no tokens, only that the model be loaded or let go."""
    if form is Form.CHAT:
        return not body.get("messages")
    if form is Form.COMPLETION:
        return not body.get("prompt") and not body.get("images")
    return form is Form.SINGLE_EMBEDDING and not body.get("prompt")


def streamed(form: Form, body: JsonObject) -> dict[str, Any] | None:
    """``body``, asking for a stream; None where there are none."""
    return {**body, "stream": True} if form in (Form.CHAT, Form.COMPLETION) else None


# parsing


def _parse_chat(body: JsonObject) -> Chat:
    messages = [_message(value) for value in read_objects(body.get("messages"), "messages")]
    return Chat(
        messages=_with_call_ids(messages),
        tools=read_objects(body.get("tools"), "tools"),
        json_format=_json_format(body.get("format")),
        effort=_effort(body.get("think")),
        logprobs=_logprobs(body),
        sampling=_sampling(body),
        stream=_stream(body),
    )


def _parse_generate(body: JsonObject) -> Chat | Completion:
    if body.get("raw") or body.get("suffix"):
        return _parse_raw(body)
    system = read_text(body.get("system"), "system")
    prompt = Message(
        role="user",
        text=read_text(body.get("prompt"), "prompt"),
        images=_images(body.get("images")),
    )
    return Chat(
        messages=(Message("system", system), prompt) if system else (prompt,),
        json_format=_json_format(body.get("format")),
        effort=_effort(body.get("think")),
        logprobs=_logprobs(body),
        sampling=_sampling(body),
        stream=_stream(body),
    )


def _parse_raw(body: JsonObject) -> Completion:
    if body.get("format"):
        raise BadInput("format does not go with raw or suffix on this model's backend")
    return Completion(
        prompt=read_text(body.get("prompt"), "prompt"),
        suffix=read_text(body.get("suffix"), "suffix"),
        logprobs=_logprobs(body),
        sampling=_sampling(body),
        stream=_stream(body),
    )


def _parse_embed(body: JsonObject) -> Embedding:
    return Embedding(read_texts(body.get("input"), "input"), body.get("dimensions"))


def _parse_single(body: JsonObject) -> Embedding:
    return Embedding((read_text(body.get("prompt"), "prompt"),))


_PARSERS: dict[Form, Callable[[JsonObject], Call]] = {
    Form.CHAT: _parse_chat,
    Form.COMPLETION: _parse_generate,
    Form.EMBEDDING: _parse_embed,
    Form.SINGLE_EMBEDDING: _parse_single,
}


def _stream(body: JsonObject) -> bool:
    return read_flag(body.get("stream"), "stream", default=True)


def _sampling(body: JsonObject) -> Sampling:
    options = dict(read_object(body.get("options") or {}, "options"))
    # Ollama's -1 (no bound) and -2 (fill the context) are what others do without a bound.
    if isinstance(options.get("num_predict"), int) and options["num_predict"] < 0:
        del options["num_predict"]
    return read_sampling(options, _READ_AS)


def _json_format(value: Any) -> JsonFormat | None:
    if value in (None, ""):
        return None
    if value == "json":
        return JsonFormat()
    return JsonFormat(read_object(value, "format (`json` or a JSON schema)"))


def _effort(think: Any) -> str | None:
    if isinstance(think, bool):
        return "medium" if think else "none"
    return read_text(think, "think (true, false or a level)") or None


def _logprobs(body: JsonObject) -> int | None:
    if not read_flag(body.get("logprobs"), "logprobs", default=False):
        return None
    return read_count(body.get("top_logprobs") or 0, "top_logprobs")


def _message(value: JsonObject) -> Message:
    return Message(
        role=read_text(value.get("role"), "role"),
        text=read_text(value.get("content"), "content"),
        thinking=read_text(value.get("thinking"), "thinking"),
        images=_images(value.get("images")),
        tool_calls=tuple(map(tool_call, read_objects(value.get("tool_calls"), "tool_calls"))),
        call_id=read_text(value.get("tool_call_id"), "tool_call_id"),
        tool_name=read_text(value.get("tool_name"), "tool_name"),
    )


def _images(value: Any) -> tuple[str, ...]:
    return () if value is None else read_texts(value, "images")


def tool_call(value: JsonObject) -> ToolCall:
    """A tool call as it stands in requests and in answers. Raises BadInput."""
    function = read_object(value.get("function"), "function")
    arguments = read_object(function.get("arguments") or {}, "function.arguments")
    return ToolCall(
        name=read_text(function.get("name"), "function.name"),
        arguments=json.dumps(arguments, ensure_ascii=False),
        id=read_text(value.get("id"), "id"),
    )


def _with_call_ids(messages: list[Message]) -> tuple[Message, ...]:
    """Gives ids to tool calls and their results, which other dialects match by id.

    A result belongs to the earliest call of its tool that has none yet, or, where it names no
    tool, to the earliest call of all.
    """
    linked: list[Message] = []
    open_calls: list[ToolCall] = []
    count = 0
    for message in messages:
        calls = []
        for call in message.tool_calls:
            calls.append(ToolCall(call.name, call.arguments, call.id or f"call_{count}"))
            count += 1
        open_calls += calls
        call_id = message.call_id
        if message.role == "tool" and not call_id:
            call_id = _answered(open_calls, message.tool_name)
        linked.append(replace(message, tool_calls=tuple(calls), call_id=call_id))
    return tuple(linked)


def _answered(open_calls: list[ToolCall], tool: str) -> str:
    for index, call in enumerate(open_calls):
        if not tool or call.name == tool:
            return open_calls.pop(index).id
    return ""


# rendering


def _chat_body(call: Chat) -> dict[str, Any]:
    tools = _chosen(call.tools, call.tool_choice)
    return {
        "messages": [_message_body(message) for message in call.messages],
        **({"tools": tools} if tools else {}),
        **_format_body(call.json_format),
        **({"think": _LEVELS.get(call.effort, call.effort)} if call.effort else {}),
        **_logprobs_body(call.logprobs),
        **_options_body(call.sampling),
        "stream": call.stream,
    }


def _generate_body(call: Completion) -> dict[str, Any]:
    # A suffix needs the model's own fill-in template; everything else goes in as it is.
    shape = {"suffix": call.suffix} if call.suffix else {"raw": True}
    return {
        "prompt": call.prompt,
        **shape,
        **_logprobs_body(call.logprobs),
        **_options_body(call.sampling),
        "stream": call.stream,
    }


def _chosen(tools: tuple[JsonObject, ...], choice: str | JsonObject | None) -> list[JsonObject]:
    """The tools that the model may choose among; Ollama has no other word for that."""
    if choice == "none":
        return []
    if not isinstance(choice, Mapping):
        return list(tools)
    wanted = _name_of(choice)
    return [tool for tool in tools if _name_of(tool) == wanted] or list(tools)


def _name_of(tool: JsonObject) -> Any:
    function = tool.get("function")
    return function.get("name") if isinstance(function, Mapping) else None


def _logprobs_body(logprobs: int | None) -> dict[str, Any]:
    if logprobs is None:
        return {}
    return {"logprobs": True, **({"top_logprobs": logprobs} if logprobs else {})}


def _options_body(sampling: Sampling) -> dict[str, Any]:
    options = write_sampling(sampling, _WRITTEN_AS)
    return {"options": options} if options else {}


def _format_body(json_format: JsonFormat | None) -> dict[str, Any]:
    if json_format is None:
        return {}
    return {"format": "json" if json_format.schema is None else json_format.schema}


def _message_body(message: Message) -> dict[str, Any]:
    optional: dict[str, Any] = {
        "thinking": message.thinking,
        "images": list(message.images),
        "tool_calls": [tool_call_body(call) for call in message.tool_calls],
        "tool_name": message.tool_name,
        "tool_call_id": message.call_id,
    }
    present = {name: value for name, value in optional.items() if value}
    return {"role": message.role, "content": message.text, **present}


def tool_call_body(call: ToolCall) -> dict[str, Any]:
    """A tool call as it stands in requests and in answers. Raises BadInput."""
    arguments = read_arguments(call.arguments, call.name)
    name = {"id": call.id} if call.id else {}
    return {**name, "function": {"name": call.name, "arguments": arguments}}
