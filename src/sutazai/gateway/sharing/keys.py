"""When two calls are the same call, so that one answer does for both. Pure.

A call is deterministic where it has a temperature of nought or a seed and asks for one answer;
embeddings always are. Everything that could change the answer is in the key, and fields that
nobody here knows could. Two callers never share one: neither an answer nor the time that it took
tells anybody what others have asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from sutazai.fleet.declared import Dialect
from sutazai.gateway.dialects.neutral import Form, JsonObject

_ASIDE = frozenset({"stream", "stream_options", "user", "keep_alive", "model"})
"""Fields that do not change the answer; the model counts by what its name stands for."""

_LIVE = (
    "previous_response_id", "conversation", "background", "store", "web_search_options",
    "mcp_servers", "container",
)  # fmt: skip
"""With one of these an answer depends on more than the body, or leaves more behind than itself."""

_OLLAMA: Final = Dialect.OLLAMA  # a member of an enum is found slowly
_EMBEDDINGS = frozenset({Form.EMBEDDING, Form.SINGLE_EMBEDDING})
_PROMPTS = ("messages", "prompt", "input")
_OUR_TOOLS = (None, "function", "custom")
"""Kinds of tools that the client runs itself; a server's own tools look at the world."""

_UNSEEDED = 0xFFFF_FFFF
"""Servers built on llama.cpp take this seed, like any below nought, for a random one."""

_NEUTRAL_LACKS = ("logprobs", "modalities", "audio")

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class ShareKey:
    """Calls with the same ``answer`` have the same answer; with the same ``exact``, byte by byte,
    for they want it in the same form (streamed or not, with usage or not)."""

    answer: bytes
    exact: bytes


def is_deterministic(dialect: str, form: Form, body: JsonObject) -> bool:
    """Whether a second computation of ``body`` would be waste. Costs next to nothing."""
    if form in _EMBEDDINGS:
        return True
    options = body.get("options") if dialect == _OLLAMA else body
    if not isinstance(options, dict) or body.get("n") not in (None, 1):
        return False
    seed = options.get("seed")
    if isinstance(seed, int) and 0 <= seed != _UNSEEDED:
        return True
    return options.get("temperature") == 0


def share_key(
    tenant: str,
    dialect: str,
    form: Form,
    body: JsonObject,
    model: Iterable[str],
    *,
    stream: bool,
) -> ShareKey | None:
    """The key of a call, None where it is to be computed for itself.

    Args:
        tenant: the caller's name.
        model: everything that says which weights answer: name, version, digest.
        stream: whether the answer is wanted as a stream.
    """
    if not is_deterministic(dialect, form, body) or not _stands_alone(body):
        return None
    # Fields are sorted, but not what is in them: the order within a schema or a tool matters.
    fields = {name: body[name] for name in sorted(body) if name not in _ASIDE}
    try:
        answer = _digest([tenant, dialect, form, [*model], fields])
        manner = _manner(body) if stream else b""
    except RecursionError:
        return None
    return ShareKey(answer, answer + manner)


def is_neutral(body: JsonObject) -> bool:
    """Whether the neutral form of an answer holds all that ``body`` asks for, so that an answer
    kept in it can be said in another form than it was heard in."""
    wanted = (body.get(name) for name in _NEUTRAL_LACKS)
    return all(value is None or value is False for value in wanted)  # logprobs may be nought


def _stands_alone(body: JsonObject) -> bool:
    """Whether the body asks for tokens, and nothing but the body decides which."""
    if any(body.get(name) for name in _LIVE) or not any(body.get(name) for name in _PROMPTS):
        return False
    tools = body.get("tools")
    return not tools or all(map(_is_ours, tools if isinstance(tools, list) else ()))


def _is_ours(tool: Any) -> bool:
    return isinstance(tool, dict) and tool.get("type") in _OUR_TOOLS


def _manner(body: JsonObject) -> bytes:
    """What tells streams of the same answer apart."""
    options = body.get("stream_options")
    return b"s" + _digest(options) if options else b"s"


def _digest(value: Any) -> bytes:
    return blake2b(_encode(value).encode(), digest_size=16).digest()
