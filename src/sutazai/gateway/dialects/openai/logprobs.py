"""Probabilities of tokens, as OpenAI's chats and its older completions tell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from sutazai.gateway.dialects.neutral import Form, JsonObject
from sutazai.gateway.dialects.streams import text


def read(value: Any) -> tuple[JsonObject, ...]:
    """The tokens of a choice's ``logprobs``, told in either way, for llama.cpp tells them in
    completions as others do in chats."""
    if not isinstance(value, Mapping):
        return ()
    content = value.get("content")
    if isinstance(content, list):
        return tuple([entry for entry in content if isinstance(entry, dict)])
    return tuple(_older(value))


def _older(value: JsonObject) -> Iterable[JsonObject]:
    tokens, logprobs, tops = (
        found if isinstance(found := value.get(name), list) else ()
        for name in ("tokens", "token_logprobs", "top_logprobs")
    )
    for token, logprob, top in zip_longest(tokens, logprobs, tops):
        alternatives = top.items() if isinstance(top, Mapping) else ()
        yield {
            "token": text(token),
            "logprob": logprob,
            "top_logprobs": [{"token": name, "logprob": value} for name, value in alternatives],
        }


def render(form: Form, tokens: Sequence[JsonObject], start: int = 0) -> dict[str, Any] | None:
    """``tokens`` as a client expects them, None where there are none; ``start`` is how many
    characters of the answer came before them."""
    if not tokens:
        return None
    if form is Form.CHAT:
        return {"content": [{**_entry(token), **_tops(token)} for token in tokens]}
    names = [text(token.get("token")) for token in tokens]
    offsets = [start]
    for name in names[:-1]:
        offsets.append(offsets[-1] + len(name))
    return {
        "tokens": names,
        "token_logprobs": [token.get("logprob") for token in tokens],
        "top_logprobs": [
            {text(top.get("token")): top.get("logprob") for top in _top(token)} for token in tokens
        ],
        "text_offset": offsets,
    }


def _entry(token: JsonObject) -> dict[str, Any]:
    return {
        "token": text(token.get("token")),
        "logprob": token.get("logprob"),
        "bytes": token.get("bytes"),
    }


def _tops(token: JsonObject) -> dict[str, Any]:
    return {"top_logprobs": [_entry(top) for top in _top(token)]}


def _top(token: JsonObject) -> list[JsonObject]:
    found = token.get("top_logprobs")
    return [top for top in found if isinstance(top, Mapping)] if isinstance(found, list) else []
