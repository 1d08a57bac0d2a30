"""What is told of a prompt at a glance, how it is made shorter, and how models are loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.gateway.dialects import CLIENTS, CODECS, ClientCodec
from sutazai.gateway.dialects.facts import PromptFacts
from sutazai.gateway.dialects.neutral import Form
from sutazai.gateway.dialects.ollama.pins import pin

OPENAI, OLLAMA = CODECS[Dialect.OPENAI], CODECS[Dialect.OLLAMA]
ANTHROPIC = CLIENTS[-1]

SYSTEM = {"role": "system", "content": "Be brief."}  # nine characters
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def model(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def calls(name: str, id_: str = "x") -> dict[str, Any]:
    call = {"id": id_, "type": "function", "function": {"name": name, "arguments": "{}"}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def result(text: str, id_: str = "x") -> dict[str, Any]:
    return {"role": "tool", "content": text, "tool_call_id": id_}


FACTS: dict[str, tuple[ClientCodec, Form, dict[str, Any], PromptFacts]] = {
    "openai chat": (
        OPENAI,
        Form.CHAT,
        {
            "messages": [SYSTEM, user("abc"), model("de")],
            "max_tokens": 5,
            "temperature": 0,
            "seed": 3,
        },
        PromptFacts(14, 0, "Be brief.", 2, 5, None, 0, 3, True),
    ),
    "parts and pictures": (
        OPENAI,
        Form.CHAT,
        {
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "Brief"}]},
                {"role": "user", "content": [{"type": "text", "text": "abc"}, PICTURE, PICTURE]},
            ],
            "max_completion_tokens": 9,
        },
        PromptFacts(8, 2, "Brief", 1, 9),
    ),
    "tools count": (
        OPENAI,
        Form.CHAT,
        {"messages": [user("a"), calls("f"), result("bc")], "tools": [{"a": 1}]},
        PromptFacts(1 + len("f{}") + 2 + len('[{"a":1}]'), 0, "", 3),
    ),
    "the system speaks twice": (
        OPENAI,
        Form.CHAT,
        {"messages": [SYSTEM, SYSTEM, user("a"), SYSTEM]},
        PromptFacts(28, 0, "Be brief.\nBe brief.", 1),
    ),
    "a seed for two answers fixes nothing": (
        OPENAI,
        Form.CHAT,
        {"messages": [user("a")], "seed": 1, "n": 2, "temperature": 0.5},
        PromptFacts(1, 0, "", 1, None, None, 0.5, 1, False),
    ),
    "openai completion": (
        OPENAI,
        Form.COMPLETION,
        {"prompt": "abc", "suffix": "de", "max_tokens": 1},
        PromptFacts(5, max_tokens=1),
    ),
    "tokens": (OPENAI, Form.COMPLETION, {"prompt": [1, 2, 3]}, PromptFacts(12)),
    "openai embedding": (OPENAI, Form.EMBEDDING, {"input": ["abc", "d"]}, PromptFacts(4)),
    "responses": (
        OPENAI,
        Form.RESPONSES,
        {
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "abc"}]},
                {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "x"},
                {"type": "function_call_output", "output": "de", "call_id": "x"},
                {"role": "user", "content": [{"type": "input_image", "image_url": "data:…"}]},
            ],
            "max_output_tokens": 7,
        },
        PromptFacts(17, 1, "Be brief.", 4, 7),
    ),
    "responses to a text": (OPENAI, Form.RESPONSES, {"input": "abc"}, PromptFacts(3, turns=1)),
    "ollama chat": (
        OLLAMA,
        Form.CHAT,
        {
            "messages": [
                SYSTEM,
                {**user("abc"), "images": ["AAAA"]},
                {**model("d"), "thinking": "e"},
            ],
            "options": {"num_predict": 5, "num_ctx": 4096, "temperature": 0.0},
        },
        PromptFacts(14, 1, "Be brief.", 2, 5, 4096, 0.0, None, True),
    ),
    "no bound": (
        OLLAMA,
        Form.CHAT,
        {"messages": [user("a")], "options": {"num_predict": -1, "seed": 42}},
        PromptFacts(1, 0, "", 1, None, None, None, 42, True),
    ),
    "ollama generate": (
        OLLAMA,
        Form.COMPLETION,
        {"prompt": "abc", "system": "Be brief.", "images": ["A"], "context": [1, 2]},
        PromptFacts(20, 1, "Be brief."),
    ),
    "older embedding": (OLLAMA, Form.SINGLE_EMBEDDING, {"prompt": "abc"}, PromptFacts(3)),
    "anthropic": (
        ANTHROPIC,
        Form.MESSAGES,
        {
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                user("abc"),
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm"},
                        {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "x",
                            "content": [{"type": "text", "text": "de"}, {"type": "image"}],
                        }
                    ],
                },
            ],
            "max_tokens": 8,
            "temperature": 0,
        },
        PromptFacts(9 + 3 + 2 + len('f{"a":1}') + 2, 1, "Be brief.", 3, 8, None, 0, None, True),
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_a_call_at_a_glance(name: str) -> None:
    codec, form, body, expected = FACTS[name]
    assert codec.prompt_of(form, body) == expected


def fits(most: int) -> Callable[[int], bool]:
    return lambda chars: chars <= most


LONG = [
    SYSTEM,
    user("a" * 100),
    calls("f", "1"),
    result("b" * 100, "1"),
    model("c" * 100),
    user("d" * 100),
    model("e" * 100),
    user("f" * 100),
    calls("g", "2"),
    result("g" * 100, "2"),
    calls("h", "3"),
    result("h" * 100, "3"),
]


@pytest.mark.parametrize("codec", [OPENAI, OLLAMA], ids=["openai", "ollama"])
@pytest.mark.parametrize(
    ("room", "kept"),
    [
        (2000, LONG),
        (600, [SYSTEM, *LONG[5:]]),  # the oldest question goes with all that came of it
        (500, [SYSTEM, *LONG[7:]]),
        (300, [SYSTEM, LONG[7], *LONG[10:]]),  # then the older rounds of the newest turn
    ],
)
def test_the_oldest_turns_go_first_and_what_belongs_together_stays_together(
    codec: ClientCodec, room: int, kept: list[Any]
) -> None:
    body = {"model": "m", "messages": LONG, "brand_new": 1}
    shrunk = codec.shrink(Form.CHAT, body, fits(room))
    assert shrunk is not None
    assert shrunk.body == {**body, "messages": kept}
    assert shrunk.dropped == len(LONG) - len(kept)
    assert codec.prompt_of(Form.CHAT, shrunk.body).chars <= room


@pytest.mark.parametrize("codec", [OPENAI, OLLAMA], ids=["openai", "ollama"])
def test_the_newest_turn_stays_or_nothing_helps(codec: ClientCodec) -> None:
    assert codec.shrink(Form.CHAT, {"messages": LONG}, fits(200)) is None
    body = {"messages": [SYSTEM, user("a" * 100)]}
    shrunk = codec.shrink(Form.CHAT, body, fits(109))
    assert shrunk is not None and shrunk.body is body
    assert codec.shrink(Form.CHAT, body, fits(108)) is None


def test_tools_that_come_with_a_call_are_counted_and_never_dropped() -> None:
    body = {"messages": [user("a" * 100), model("b"), user("c")], "tools": [{"d": "d" * 100}]}
    shrunk = OPENAI.shrink(Form.CHAT, body, fits(120))
    assert shrunk is not None and shrunk.dropped == 2
    assert shrunk.body["tools"] == body["tools"]
    assert OPENAI.shrink(Form.CHAT, body, fits(100)) is None


def test_what_has_no_turns_fits_or_does_not() -> None:
    for codec, form, body in (
        (OPENAI, Form.COMPLETION, {"prompt": "a" * 100}),
        (OLLAMA, Form.COMPLETION, {"prompt": "a" * 50, "system": "b" * 50}),
        (OPENAI, Form.RESPONSES, {"input": "a" * 100}),
    ):
        shrunk = codec.shrink(form, body, fits(100))
        assert shrunk is not None and shrunk.body is body and not shrunk.dropped
        assert codec.shrink(form, body, fits(99)) is None


def test_each_text_to_embed_is_a_prompt_of_its_own() -> None:
    body = {"input": ["a" * 60, "b" * 90]}
    assert OPENAI.shrink(Form.EMBEDDING, body, fits(90)) is not None
    assert OPENAI.shrink(Form.EMBEDDING, body, fits(89)) is None


def test_items_of_responses_go_in_pairs() -> None:
    call = {"type": "function_call", "call_id": "x", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "x", "output": "b" * 100}
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "c" * 100}]}
    newest = [user("d" * 100), thought, call, output]
    body = {"input": [user("a" * 100), thought, call, output, *newest]}
    shrunk = OPENAI.shrink(Form.RESPONSES, body, fits(500))
    assert shrunk is not None and shrunk.body["input"] == newest


def test_results_of_tools_are_no_question_of_anthropics_user() -> None:
    use = {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "f"}]}
    answer = [{"type": "tool_result", "tool_use_id": "x", "content": "b" * 100}]
    told = {"role": "user", "content": answer}
    body = {"system": "s" * 10, "messages": [user("a" * 100), use, told, use, told]}
    shrunk = ANTHROPIC.shrink(Form.MESSAGES, body, fits(250))
    assert shrunk is not None
    assert shrunk.body["messages"] == [user("a" * 100), use, told]
    assert ANTHROPIC.shrink(Form.MESSAGES, body, fits(200)) is None


def test_pinned_options_take_the_place_of_a_callers() -> None:
    asked = {"temperature": 0.5, "num_ctx": 131072, "num_gpu": 99, "use_mmap": False}
    body = {"model": "m", "options": asked, "keep_alive": "24h"}
    pinned = pin(body, {"num_ctx": 8192, "num_batch": 256}, 600.0)
    assert pinned == {
        "model": "m",
        "options": {"temperature": 0.5, "num_ctx": 8192, "num_batch": 256},
        "keep_alive": 600.0,
    }
    assert body["options"] is asked and len(asked) == 4


def test_a_keep_alive_that_is_not_pinned_is_the_callers() -> None:
    body = {"model": "m", "keep_alive": "24h", "options": {"num_thread": 64}}
    assert pin(body, {}, None) == {"model": "m", "keep_alive": "24h", "options": {}}
    assert pin({"model": "m"}, {"num_ctx": 1}, None) == {"model": "m", "options": {"num_ctx": 1}}


def test_where_pins_change_nothing_the_body_is_the_same() -> None:
    bodies: list[dict[str, Any]] = [
        {"model": "m"},
        {"options": {"seed": 1}},
        {"options": None, "keep_alive": 5},
    ]
    for body in bodies:
        assert pin(body, {}, None) is body
    body = {"options": {"num_ctx": 8192, "seed": 1}, "keep_alive": 600}
    assert pin(body, {"num_ctx": 8192}, 600.0) is body
