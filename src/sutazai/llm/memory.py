"""How much memory the embedded server takes with a model: pure arithmetic, for the memory plan."""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.llm.gguf import Head, Value

BATCH = 512
"""Tokens that the server computes at once, over all slots together.

Smaller than llama.cpp's 2048, for while a batch is computed nobody else's answer goes on and a
client that went away is not noticed: measured with a prompt of 3,500 tokens on two cores, a
neighbour's longest wait for its next token is 13.2 s with 2048, 2.8 s with 512 and 1.6 s with 256,
at the same time for the prompt itself. Not smaller than 512, for it also bounds the text that can
be embedded.
"""

_CACHE_BYTES = 2  # the KV cache holds 16-bit floats
_LOGIT_BYTES = 4
_PROCESS = 112 * 1024**2  # interpreter, library and its threads: 45-95 MiB measured
_GRAPH = 32 * 1024**2  # intermediate results: 19 MiB measured on 135M parameters
_BLIND_SHARE = 5  # a fifth of the file on top, where nothing better is known


@dataclass(frozen=True)
class Estimate:
    """Bytes that the server takes when every slot is full.

    Args:
        weights: the model's file, mapped into memory.
        context: keys and values of all tokens in all slots.
        compute: the process and its working buffers.
        prompt_cache: prompts seen before, as large as it was allowed to be.
    """

    weights: int
    context: int
    compute: int
    prompt_cache: int

    @property
    def total(self) -> int:
        return self.weights + self.context + self.compute + self.prompt_cache


def estimate(head: Head, *, slots: int, context: int, prompt_cache: int) -> Estimate:
    """What the server takes for the model that ``head`` describes.

    Args:
        context: tokens of each slot, as wanted.
        prompt_cache: bytes.

    A head that does not tell its shape is taken for 1.2 times its file. Models that keep less than
    all tokens (sliding windows, recurrent layers) take less than this says.
    """
    per_token = cache_bytes_per_token(head)
    tokens = usable_context(head, context) * slots
    blind = head.size // _BLIND_SHARE if per_token is None else 0
    return Estimate(
        weights=head.size + blind,
        context=(per_token or 0) * tokens,
        compute=_PROCESS + _GRAPH + BATCH * _vocabulary(head) * _LOGIT_BYTES,
        prompt_cache=prompt_cache,
    )


def usable_context(head: Head, wanted: int) -> int:
    """Tokens of a slot's context: as wanted, but no more than the model was trained with.

    llama.cpp would take the memory for all that was wanted, and then not use it.
    """
    trained = _number(head, "context_length")
    return min(wanted, trained) if trained else wanted


def cache_bytes_per_token(head: Head) -> int | None:
    """Bytes of the KV cache for one token, or None where ``head`` does not tell.

    Layers x KV heads x (length of a key + length of a value) x 2 bytes.
    """
    layers, heads = _number(head, "block_count"), _number(head, "attention.head_count")
    width = _number(head, "embedding_length")
    if not layers or not heads or not width:
        return None
    key = _number(head, "attention.key_length") or width // heads
    value = _number(head, "attention.value_length") or width // heads
    return _kv_heads(head, layers, heads) * (key + value) * _CACHE_BYTES


def _kv_heads(head: Head, layers: int, heads: int) -> int:
    """KV heads of all layers together: said layer by layer, once for all, or as many as heads."""
    found = head.own("attention.head_count_kv")
    if isinstance(found, tuple):
        return sum(_count(item) for item in found)
    return layers * (_count(found) or heads)


def _number(head: Head, key: str) -> int:
    found = head.own(key)
    return max(map(_count, found), default=0) if isinstance(found, tuple) else _count(found)


def _count(value: Value | None) -> int:
    """``value`` where it is a count; 0 for anything else that a file may hold in its place."""
    return max(value, 0) if isinstance(value, int) else 0


def _vocabulary(head: Head) -> int:
    return _number(head, "vocab_size") or head.lengths.get("tokenizer.ggml.tokens", 0)
