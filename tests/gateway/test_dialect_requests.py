"""Requests from one dialect to the other, as a table: what a client sends, what a backend gets."""

from __future__ import annotations

from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadInput
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.neutral import Form, form_of

OPENAI, OLLAMA = CODECS[Dialect.OPENAI], CODECS[Dialect.OLLAMA]

HI = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
PNG, JPEG = "iVBORw0KGgo=", "/9j/4AAQ"

# name → (form, OpenAI's body, Ollama's body without model)
BOTH_WAYS: dict[str, tuple[Form, dict[str, Any], dict[str, Any]]] = {
    "plain": (Form.CHAT, {"messages": HI, "stream": False}, {"messages": HI, "stream": False}),
    "stream": (
        Form.CHAT,
        {"messages": HI, "stream": True, "stream_options": {"include_usage": True}},
        {"messages": HI, "stream": True},
    ),
    "sampling": (
        Form.CHAT,
        {
            "messages": HI,
            "stream": False,
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "min_p": 0.1,
            "seed": 3,
            "stop": ["a", "b"],
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
            "repeat_penalty": 1.1,
        },
        {
            "messages": HI,
            "stream": False,
            "options": {
                "num_predict": 9,
                "temperature": 0.5,
                "top_p": 0.9,
                "top_k": 40,
                "min_p": 0.1,
                "seed": 3,
                "stop": ["a", "b"],
                "presence_penalty": 0.1,
                "frequency_penalty": 0.2,
                "repeat_penalty": 1.1,
            },
        },
    ),
    "json mode": (
        Form.CHAT,
        {"messages": HI, "stream": False, "response_format": {"type": "json_object"}},
        {"messages": HI, "stream": False, "format": "json"},
    ),
    "json schema": (
        Form.CHAT,
        {
            "messages": HI,
            "stream": False,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
            },
        },
        {"messages": HI, "stream": False, "format": SCHEMA},
    ),
    "tools": (
        Form.CHAT,
        {
            "messages": [
                *HI,
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "x1",
                            "type": "function",
                            "function": {"name": "look_up", "arguments": '{"city": "Bern"}'},
                        }
                    ],
                },
                {"role": "tool", "content": "sunny", "tool_call_id": "x1"},
            ],
            "stream": False,
            "tools": [TOOL],
        },
        {
            "messages": [
                *HI,
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {
                            "id": "x1",
                            "function": {"name": "look_up", "arguments": {"city": "Bern"}},
                        }
                    ],
                },
                {
                    "role": "tool",
                    "content": "sunny",
                    "tool_name": "look_up",
                    "tool_call_id": "x1",
                },
            ],
            "stream": False,
            "tools": [TOOL],
        },
    ),
    "images": (
        Form.CHAT,
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
                        {
                            "type": "image_url",
                            "image_url": {"url": f"data:image/jpeg;base64,{JPEG}"},
                        },
                    ],
                }
            ],
            "stream": False,
        },
        {
            "messages": [{"role": "user", "content": "what is it?", "images": [PNG, JPEG]}],
            "stream": False,
        },
    ),
    "thinking": (
        Form.CHAT,
        {
            "messages": [*HI, {"role": "assistant", "content": "a", "reasoning_content": "b"}],
            "stream": False,
            "reasoning_effort": "low",
        },
        {
            "messages": [*HI, {"role": "assistant", "content": "a", "thinking": "b"}],
            "stream": False,
            "think": "low",
        },
    ),
    "completion": (
        Form.COMPLETION,
        {"prompt": "once", "stream": False, "max_tokens": 5},
        {"prompt": "once", "stream": False, "raw": True, "options": {"num_predict": 5}},
    ),
    "fill in": (
        Form.COMPLETION,
        {"prompt": "def f", "suffix": "return x", "stream": False},
        {"prompt": "def f", "suffix": "return x", "stream": False},
    ),
    "embedding": (
        Form.EMBEDDING,
        {"input": ["a", "b"], "dimensions": 64},
        {"input": ["a", "b"], "dimensions": 64},
    ),
}


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_openai_to_ollama(name: str) -> None:
    form, openai, ollama = BOTH_WAYS[name]
    call = OPENAI.parse(form, {"model": "asked", **openai})
    assert OLLAMA.render(call, "m") == {"model": "m", **ollama}
    assert form_of(call) is form


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_ollama_to_openai(name: str) -> None:
    form, openai, ollama = BOTH_WAYS[name]
    call = OLLAMA.parse(form, {"model": "asked", **ollama})
    assert OPENAI.render(call, "m") == {"model": "m", **openai}
    assert form_of(call) is form


# (form, OpenAI's body, what Ollama gets): what has no way back
OPENAI_ONLY: dict[str, tuple[Form, dict[str, Any], dict[str, Any]]] = {
    "newer name of the bound": (
        Form.CHAT,
        {"messages": HI, "max_completion_tokens": 3},
        {"messages": HI, "options": {"num_predict": 3}, "stream": False},
    ),
    "developer is system": (
        Form.CHAT,
        {"messages": [{"role": "developer", "content": "be brief"}]},
        {"messages": [{"role": "system", "content": "be brief"}], "stream": False},
    ),
    "a single stop": (
        Form.CHAT,
        {"messages": HI, "stop": "x"},
        {"messages": HI, "options": {"stop": ["x"]}, "stream": False},
    ),
    "no tools please": (
        Form.CHAT,
        {"messages": HI, "tools": [TOOL], "tool_choice": "none"},
        {"messages": HI, "stream": False},
    ),
    "llama.cpp's schema": (
        Form.CHAT,
        {"messages": HI, "response_format": {"type": "json_object", "schema": SCHEMA}},
        {"messages": HI, "format": SCHEMA, "stream": False},
    ),
    "text is no format": (
        Form.CHAT,
        {"messages": HI, "response_format": {"type": "text"}},
        {"messages": HI, "stream": False},
    ),
    "one input": (Form.EMBEDDING, {"input": "a"}, {"input": ["a"]}),
    "one prompt in a list": (
        Form.COMPLETION,
        {"prompt": ["a"]},
        {"prompt": "a", "raw": True, "stream": False},
    ),
}


@pytest.mark.parametrize("name", OPENAI_ONLY)
def test_what_only_openai_clients_say(name: str) -> None:
    form, openai, ollama = OPENAI_ONLY[name]
    assert OLLAMA.render(OPENAI.parse(form, openai), "m") == {"model": "m", **ollama}


OLLAMA_ONLY: dict[str, tuple[Form, dict[str, Any], dict[str, Any]]] = {
    "streams unless told not to": (
        Form.CHAT,
        {"messages": HI},
        {"messages": HI, "stream": True, "stream_options": {"include_usage": True}},
    ),
    "generate is a conversation": (
        Form.COMPLETION,
        {"prompt": "hi", "system": "be brief", "stream": False},
        {"messages": [{"role": "system", "content": "be brief"}, *HI], "stream": False},
    ),
    "no bound": (
        Form.CHAT,
        {"messages": HI, "stream": False, "options": {"num_predict": -1, "num_ctx": 8192}},
        {"messages": HI, "stream": False},
    ),
    "an empty format is none": (
        Form.CHAT,
        {"messages": HI, "stream": False, "format": ""},
        {"messages": HI, "stream": False},
    ),
}


@pytest.mark.parametrize("name", OLLAMA_ONLY)
def test_what_only_ollama_clients_say(name: str) -> None:
    form, ollama, openai = OLLAMA_ONLY[name]
    assert OPENAI.render(OLLAMA.parse(form, ollama), "m") == {"model": "m", **openai}


def test_tool_results_of_ollama_find_the_calls_they_answer() -> None:
    def call(name: str) -> dict[str, Any]:
        return {"function": {"name": name, "arguments": {}}}

    messages = [
        *HI,
        {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b"), call("a")]},
        {"role": "tool", "content": "1", "tool_name": "b"},
        {"role": "tool", "content": "2", "tool_name": "a"},
        {"role": "tool", "content": "3"},
    ]
    body = OPENAI.render(OLLAMA.parse(Form.CHAT, {"messages": messages}), "m")
    ids = [call["id"] for call in body["messages"][1]["tool_calls"]]
    assert len(set(ids)) == 3
    answers = [message["tool_call_id"] for message in body["messages"][2:]]
    assert answers == [ids[1], ids[0], ids[2]]


@pytest.mark.parametrize(
    ("form", "body", "complaint"),
    [
        (Form.CHAT, {}, "messages must not be empty"),
        (Form.CHAT, {"messages": "hi"}, "messages must be a list"),
        (Form.CHAT, {"messages": ["hi"]}, r"messages\[0\] must be an object"),
        (Form.CHAT, {"messages": HI, "temperature": "hot"}, "temperature must be a number"),
        (Form.CHAT, {"messages": HI, "max_tokens": float("inf")}, "max_tokens must be a finite"),
        (Form.CHAT, {"messages": HI, "top_p": float("nan")}, "top_p must be a finite number"),
        (Form.CHAT, {"messages": HI, "n": 2}, "n must be 1"),
        (Form.CHAT, {"messages": HI, "response_format": {"type": "xml"}}, "is not known"),
        (
            Form.CHAT,
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "takes no content of type 'input_audio'",
        ),
        (
            Form.CHAT,
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}],
                    }
                ]
            },
            "images in base64 only",
        ),
        (Form.COMPLETION, {"prompt": ["a", "b"]}, "single text"),
        (Form.EMBEDDING, {"input": [1, 2]}, "a text or a list of texts"),
    ],
)
def test_what_openai_cannot_mean_is_told(form: Form, body: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        OPENAI.parse(form, body)


@pytest.mark.parametrize(
    ("form", "body", "complaint"),
    [
        (Form.CHAT, {"messages": 1}, "messages must be a list"),
        (Form.CHAT, {"messages": HI, "options": []}, ""),
        (Form.CHAT, {"messages": HI, "format": 7}, "format"),
        (Form.COMPLETION, {"prompt": "x", "raw": True, "format": "json"}, "raw"),
        (Form.EMBEDDING, {}, "input must be a text"),
    ],
)
def test_what_ollama_cannot_mean_is_told(form: Form, body: dict[str, Any], complaint: str) -> None:
    if complaint:
        with pytest.raises(BadInput, match=complaint):
            OLLAMA.parse(form, body)
    else:
        OLLAMA.parse(form, body)


def test_a_tool_call_whose_arguments_are_no_json_cannot_be_said_to_ollama() -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": "{oops"}}
    chat = OPENAI.parse(
        Form.CHAT, {"messages": [{"role": "assistant", "content": "", "tool_calls": [call]}]}
    )
    with pytest.raises(BadInput, match="'f' are not JSON"):
        OLLAMA.render(chat, "m")
