"""The head of a model file tells what it is and whether all of it is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutazai.llm.gguf import BadGguf, read_head
from tests.llm.ggufs import F32_8X4, LLAMA, Q4_0_64, Tensor, gguf


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def test_a_whole_file_needs_exactly_its_size(file: Path) -> None:
    file.write_bytes(gguf())

    head = read_head(file)

    assert head.architecture == "llama"
    assert head.own("block_count") == 2
    assert head.lengths["tokenizer.ggml.tokens"] == 4
    assert head.size == head.needed == file.stat().st_size


def test_arrays_of_numbers_are_kept_item_by_item(file: Path) -> None:
    file.write_bytes(gguf({**LLAMA, "llama.attention.head_count_kv": [2, 0, 1]}))

    assert read_head(file).own("attention.head_count_kv") == (2, 0, 1)


def test_long_arrays_are_passed_over(file: Path) -> None:
    file.write_bytes(gguf({**LLAMA, "tokenizer.ggml.scores": [0.5] * 5000}))

    head = read_head(file)

    assert head.lengths["tokenizer.ggml.scores"] == 5000
    assert head.size == head.needed


def test_the_files_own_alignment_is_followed(file: Path) -> None:
    file.write_bytes(gguf({**LLAMA, "general.alignment": 32}, [Q4_0_64, F32_8X4]))

    head = read_head(file)

    assert head.size == head.needed


@pytest.mark.parametrize("missing", [1, 36, 100])
def test_a_file_cut_in_its_data_needs_more_than_it_has(file: Path, missing: int) -> None:
    file.write_bytes(gguf()[:-missing])

    head = read_head(file)

    assert head.needed - head.size == missing


def test_of_a_tensor_type_that_is_not_known_only_the_start_is_needed(file: Path) -> None:
    file.write_bytes(gguf(tensors=[F32_8X4, Tensor("new", (8,), kind=9999, size=7)]))

    head = read_head(file)

    assert head.needed == head.size - 7


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "ends within its head"),
        (b"<html>no model here</html>", "does not begin with"),
        (gguf(version=1), "version 1"),
        (gguf()[:200], "ends within its head"),
        (gguf({**LLAMA, "general.alignment": 0}), "alignment is 0"),
        (gguf(tensors=[Tensor("odd", (1,) * 9, kind=0, size=4)]), "9 dimensions"),
        (b"GGUF\x03\0\0\0" + b"\0" * 8 + b"\xff" * 8 + b"\xff" * 8, "longer than"),
    ],
)
def test_what_is_no_whole_head_is_refused(file: Path, data: bytes, reason: str) -> None:
    file.write_bytes(data)

    with pytest.raises(BadGguf, match=reason):
        read_head(file)


WHOLE = gguf({**LLAMA, "llama.rope.freq_base": 1.5, "llama.attention.head_count_kv": [2, 2]})


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6),
    length=st.integers(0, len(WHOLE)),
)
def test_damaged_files_are_read_or_refused_and_nothing_else(
    file: Path, changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(WHOLE)
    for place, byte in changes:
        data[place] = byte
    file.write_bytes(data[:length])

    try:
        head = read_head(file)
    except BadGguf:
        return
    assert head.size == length
