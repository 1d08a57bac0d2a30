"""Reads the head of a GGUF file: what a model is, and where its last byte should be.

The format is described in ggml's ``docs/gguf.md``: a magic word, counts, key-value pairs, a table
of tensors, then their data. Only the head is read, never the data.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"GGUF"
VERSIONS = (2, 3)  # 1 counted in 32 bits and is no longer written

HEAD_MAX = 256 * 1024**2
"""Bytes of head that are read at most; the largest vocabularies take some ten."""

_DEFAULT_ALIGNMENT = 32
_ITEMS_KEPT = 4096  # of an array: one number a layer is kept, a vocabulary is not
_DIMENSIONS_MAX = 8
_STRING, _ARRAY = 8, 9
_NUMBERS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q",
    12: "<d",
}  # fmt: skip

# (elements, bytes) of one block of each tensor type, by its number in ggml.h.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip

Value = int | float | bool | str | tuple[int | float | bool, ...]


class BadGguf(ValueError):
    """The file is not a whole GGUF file. Stays inside this room."""


@dataclass(frozen=True)
class Head:
    """What a GGUF file says of itself.

    Args:
        size: bytes of the file.
        needed: bytes that its tensors reach to; more than ``size`` means that it was cut.
        values: its key-value pairs, without long arrays and arrays of texts.
        lengths: how many items those arrays have that are not among ``values``.
    """

    size: int
    needed: int
    values: Mapping[str, Value]
    lengths: Mapping[str, int]

    @property
    def architecture(self) -> str:
        """The family of the model, as ``llama``; the prefix of its own keys."""
        return str(self.values.get("general.architecture", ""))

    def own(self, key: str) -> Value | None:
        """A value under the architecture's prefix: ``own("block_count")``."""
        return self.values.get(f"{self.architecture}.{key}")


def read_head(path: Path) -> Head:
    """The head of the file at ``path``.

    Raises OSError, and BadGguf for what is not GGUF, is of another version or ends in its head.
    """
    with path.open("rb", buffering=1024 * 1024) as file:
        size = os.fstat(file.fileno()).st_size
        return _head(_Reader(file), size)


def _head(reader: _Reader, size: int) -> Head:
    if reader.take(4) != MAGIC:
        raise BadGguf("it does not begin with the word GGUF")
    version = reader.number("<I")
    if version not in VERSIONS:
        raise BadGguf(f"its format is of version {version}, not 2 or 3")
    tensors, pairs = reader.count(), reader.count()
    values: dict[str, Value] = {}
    lengths: dict[str, int] = {}
    for _ in range(pairs):
        key, value = reader.text(), reader.value()
        if isinstance(value, _Skipped):
            lengths[key] = value.length
        else:
            values[key] = value
    end = max((_tensor_end(reader) for _ in range(tensors)), default=0)
    needed = _data_start(reader, values) + end
    return Head(size=size, needed=needed, values=values, lengths=lengths)


def _data_start(reader: _Reader, values: Mapping[str, Value]) -> int:
    alignment = values.get("general.alignment", _DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise BadGguf(f"its alignment is {alignment!r}")
    return math.ceil(reader.position / alignment) * alignment


def _tensor_end(reader: _Reader) -> int:
    """Where the next tensor of the table ends, from the start of the data.

    Of a type that is not known here, only that it begins is known.
    """
    reader.text()
    dimensions = int(reader.number("<I"))
    if dimensions > _DIMENSIONS_MAX:
        raise BadGguf(f"it has a tensor of {dimensions} dimensions")
    elements = math.prod(reader.count() for _ in range(dimensions))
    kind, offset = int(reader.number("<I")), reader.count()
    per_block, block_size = _BLOCKS.get(kind, (1, 0))
    return offset + math.ceil(elements / per_block) * block_size


@dataclass(frozen=True)
class _Skipped:
    """An array that was passed over."""

    length: int


class _Reader:
    """Reads values one after the other, and no more of the file than `HEAD_MAX`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.position = 0

    def take(self, length: int) -> bytes:
        self.position += length
        if self.position > HEAD_MAX:
            raise BadGguf(f"its head is longer than {HEAD_MAX} bytes")
        data = self._file.read(length)
        if len(data) != length:
            raise BadGguf("it ends within its head")
        return data

    def number(self, form: str) -> int | float | bool:
        found: int | float | bool = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return found

    def count(self) -> int:
        return int(self.number("<Q"))

    def text(self) -> str:
        return self.take(self.count()).decode(errors="replace")

    def value(self) -> Value | _Skipped:
        """The next value, with its type before it."""
        kind = int(self.number("<I"))
        if kind == _ARRAY:
            return self._array()
        return self.text() if kind == _STRING else self.number(_form(kind))

    def _array(self) -> Value | _Skipped:
        kind, length = int(self.number("<I")), self.count()
        if kind == _STRING:
            for _ in range(length):
                self.take(self.count())
            return _Skipped(length)
        form = _form(kind)
        if length > _ITEMS_KEPT:
            self.take(length * struct.calcsize(form))
            return _Skipped(length)
        return tuple(self.number(form) for _ in range(length))


def _form(kind: int) -> str:
    if kind not in _NUMBERS:
        raise BadGguf(f"it has a value of the unknown type {kind}")
    return _NUMBERS[kind]
