"""What clients ask for, in the words of each dialect, and what the backend has to say to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sutazai.fleet.declared import Dialect
from tests.gateway.fake_backend import TOOL_CALL, Script

OPENAI, OLLAMA = Dialect.OPENAI, Dialect.OLLAMA
MODEL = "fake-7b"
TEXT = "Hello, wörld 🌍"
PNG = "iVBORw0KGgo="

HI: list[dict[str, Any]] = [{"role": "user", "content": "Grüezi 🌍"}]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "The weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}

CHAT = {OPENAI: "/v1/chat/completions", OLLAMA: "/api/chat"}
COMPLETE = {OPENAI: "/v1/completions", OLLAMA: "/api/generate"}
EMBED = {OPENAI: "/v1/embeddings", OLLAMA: "/api/embed"}


@dataclass(frozen=True)
class Case:
    """One feature: the endpoint, each dialect's words for it, and the backend's script."""

    name: str
    paths: dict[Dialect, str]
    bodies: dict[Dialect, dict[str, Any]]
    script: Script = Script()  # noqa: RUF009 (it is frozen)
    streams: bool = True

    def body(self, dialect: Dialect, *, stream: bool) -> dict[str, Any]:
        streaming = {"stream": stream} if self.streams else {}
        return {"model": MODEL, **self.bodies[dialect], **streaming}


def chat(
    name: str, openai: dict[str, Any], ollama: dict[str, Any], script: Script | None = None
) -> Case:
    bodies = {OPENAI: {"messages": HI, **openai}, OLLAMA: {"messages": HI, **ollama}}
    return Case(name, CHAT, bodies, script or Script())


def _called(arguments: Any, *, openai: bool) -> list[dict[str, Any]]:
    """A conversation in which a tool was called."""
    call = {"id": "x1", "function": {"name": "look_up", "arguments": arguments}}
    link = {"tool_call_id": "x1"} if openai else {"tool_name": "look_up"}
    kind = {"type": "function"} if openai else {}
    return [
        {"role": "system", "content": "Be brief."},
        *HI,
        {"role": "assistant", "content": "", "tool_calls": [{**kind, **call}]},
        {"role": "tool", "content": "sunny", **link},
    ]


CASES = (
    chat("plain", {}, {}),
    chat("usage", {"stream_options": {"include_usage": True}}, {}),
    chat("length", {"max_tokens": 4}, {"options": {"num_predict": 4}}, Script(reason="length")),
    chat(
        "sampling",
        {"temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": ["a", "b"], "presence_penalty": 0.1},
        {
            "options": {
                "temperature": 0.5,
                "top_p": 0.9,
                "seed": 3,
                "stop": ["a", "b"],
                "presence_penalty": 0.1,
            }
        },
    ),
    chat(
        "tool calls",
        {"tools": [TOOL]},
        {"tools": [TOOL]},
        Script(tokens=(), tool_calls=(TOOL_CALL, TOOL_CALL)),
    ),
    chat("tool after words", {"tools": [TOOL]}, {"tools": [TOOL]}, Script(tool_calls=(TOOL_CALL,))),
    chat(
        "tool results",
        {"messages": _called('{"city":"Zürich"}', openai=True)},
        {"messages": _called({"city": "Zürich"}, openai=False)},
    ),
    chat(
        "json mode",
        {"response_format": {"type": "json_object"}},
        {"format": "json"},
        Script(tokens=("{", '"n"', ":", " 1", "}")),
    ),
    chat(
        "json schema",
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA},
            }
        },
        {"format": SCHEMA},
        Script(tokens=("{", '"n"', ":", " 1", "}")),
    ),
    chat(
        "image",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what is it?"},
                        {
                            "type": "image_url",
                            "image_url": {"url": f"data:image/png;base64,{PNG}"},
                        },
                    ],
                }
            ]
        },
        {"messages": [{"role": "user", "content": "what is it?", "images": [PNG]}]},
    ),
    chat("thinking", {"reasoning_effort": "medium"}, {"think": True}, Script(thinking="hm\n")),
    chat("thinking hard", {"reasoning_effort": "high"}, {"think": "high"}, Script(thinking="hm")),
    chat("no thinking", {"reasoning_effort": "none"}, {"think": False}),
    chat(
        "logprobs",
        {"logprobs": True, "top_logprobs": 2},
        {"logprobs": True, "top_logprobs": 2},
    ),
    chat("odd words", {}, {}, Script(tokens=('"', "\\", "\n\n", "\u2028", "data: [DONE]", "\x7f"))),
    Case("completion", COMPLETE, {OPENAI: {"prompt": "once"}, OLLAMA: {"prompt": "once"}}),
    Case(
        "raw completion",
        COMPLETE,
        {
            OPENAI: {"prompt": "once", "max_tokens": 3},
            OLLAMA: {"prompt": "once", "raw": True, "options": {"num_predict": 3}},
        },
    ),
    Case(
        "completion with a system",
        COMPLETE,
        {
            OPENAI: {"prompt": "Be brief. Once"},
            OLLAMA: {"prompt": "Once", "system": "Be brief.", "images": [PNG], "context": [1, 2]},
        },
    ),
    Case(
        "suffix",
        COMPLETE,
        {
            OPENAI: {"prompt": "def f", "suffix": "return x"},
            OLLAMA: {"prompt": "def f", "suffix": "return x"},
        },
    ),
    Case(
        "completion logprobs",
        COMPLETE,
        {
            OPENAI: {"prompt": "once", "logprobs": 2},
            OLLAMA: {"prompt": "once", "raw": True, "logprobs": True, "top_logprobs": 2},
        },
    ),
    Case(
        "embeddings",
        EMBED,
        {
            OPENAI: {"input": ["a", "bcd"], "dimensions": 2},
            OLLAMA: {"input": ["a", "bcd"], "dimensions": 2},
        },
        streams=False,
    ),
    Case("one embedding", EMBED, {OPENAI: {"input": "a"}, OLLAMA: {"input": "a"}}, streams=False),
    Case(
        "embedding in base64, or the older way",
        {OPENAI: EMBED[OPENAI], OLLAMA: "/api/embeddings"},
        {OPENAI: {"input": "a", "encoding_format": "base64"}, OLLAMA: {"prompt": "a"}},
        streams=False,
    ),
)
