"""Writes small GGUF files: the format as its description says it, nothing taken from the reader."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Item = int | str | float
_U32, _F32, _STRING, _ARRAY = 4, 6, 8, 9

LLAMA: Mapping[str, Item | Sequence[Item]] = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 2048,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["<s>", "</s>", "a", "b"],
}


@dataclass(frozen=True)
class Tensor:
    """One tensor of the table; its data is ``size`` zero bytes."""

    name: str
    shape: tuple[int, ...]
    kind: int
    size: int


F32_8X4 = Tensor("first", (8, 4), kind=0, size=128)
Q4_0_64 = Tensor("second", (64,), kind=2, size=36)


def gguf(
    values: Mapping[str, Item | Sequence[Item]] = LLAMA,
    tensors: Sequence[Tensor] = (F32_8X4, Q4_0_64),
    *,
    version: int = 3,
) -> bytes:
    """A whole file. Each tensor's data starts at a multiple of 32 bytes."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    head += b"".join(_text(key) + _typed(value) for key, value in values.items())
    data = b""
    for tensor in tensors:
        data = _padded(data)
        dimensions = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        head += _text(tensor.name) + dimensions + struct.pack("<IQ", tensor.kind, len(data))
        data += bytes(tensor.size)
    return _padded(head) + data


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 32)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _typed(value: Item | Sequence[Item]) -> bytes:
    if isinstance(value, int | float | str):
        return struct.pack("<I", _kind(value)) + _plain(value)
    kind = _kind(value[0])
    return struct.pack("<IIQ", _ARRAY, kind, len(value)) + b"".join(map(_plain, value))


def _kind(item: Item) -> int:
    return _STRING if isinstance(item, str) else _F32 if isinstance(item, float) else _U32


def _plain(item: Item) -> bytes:
    if isinstance(item, str):
        return _text(item)
    return struct.pack("<f" if isinstance(item, float) else "<I", item)
