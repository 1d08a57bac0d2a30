"""The memory of a model is the sum of what it is made of."""

from __future__ import annotations

from pathlib import Path

from sutazai.llm.gguf import Head, read_head
from sutazai.llm.memory import cache_bytes_per_token, estimate, usable_context
from tests.llm.ggufs import LLAMA, gguf

MIB = 1024**2
SMOLLM2 = Head(
    size=98_362_432,
    needed=98_362_432,
    values={
        "general.architecture": "llama",
        "llama.block_count": 30,
        "llama.context_length": 8192,
        "llama.embedding_length": 576,
        "llama.attention.head_count": 9,
        "llama.attention.head_count_kv": 3,
        "llama.vocab_size": 49152,
    },
    lengths={},
)


def test_the_cache_of_a_known_model_is_what_llama_cpp_takes() -> None:
    # "CPU KV buffer size = 180.00 MiB" in its log for 2 slots of 4096 tokens
    assert estimate(SMOLLM2, slots=2, context=4096, prompt_cache=0).context == 180 * MIB


def test_the_total_covers_weights_cache_buffers_and_prompt_cache() -> None:
    found = estimate(SMOLLM2, slots=2, context=4096, prompt_cache=512 * MIB)

    assert found.weights == SMOLLM2.size
    assert found.prompt_cache == 512 * MIB
    assert found.total == found.weights + found.context + found.compute + 512 * MIB
    assert 900 * MIB < found.total < 1100 * MIB


def test_slots_and_context_count_alike() -> None:
    wide = estimate(SMOLLM2, slots=4, context=1024, prompt_cache=0)
    deep = estimate(SMOLLM2, slots=1, context=4096, prompt_cache=0)

    assert wide == deep


def test_no_memory_is_counted_for_more_context_than_the_model_was_trained_with() -> None:
    assert usable_context(SMOLLM2, 20_000) == 8192
    assert estimate(SMOLLM2, slots=1, context=20_000, prompt_cache=0) == estimate(
        SMOLLM2, slots=1, context=8192, prompt_cache=0
    )


def test_layers_that_differ_are_counted_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(gguf({**LLAMA, "llama.attention.head_count_kv": [2, 1]}))

    # (2 + 1 heads) x (16 + 16 numbers) x 2 bytes
    assert cache_bytes_per_token(read_head(file)) == 192


def test_keys_and_values_of_their_own_length_are_believed(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    lengths = {"llama.attention.key_length": 24, "llama.attention.value_length": 8}
    file.write_bytes(gguf({**LLAMA, **lengths}))

    # 2 layers x 2 heads x (24 + 8 numbers) x 2 bytes
    assert cache_bytes_per_token(read_head(file)) == 256


def test_a_vocabulary_that_is_only_listed_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(gguf(LLAMA))
    few = estimate(read_head(file), slots=1, context=256, prompt_cache=0)
    file.write_bytes(gguf({**LLAMA, "tokenizer.ggml.tokens": ["x"] * 1004}))
    many = estimate(read_head(file), slots=1, context=256, prompt_cache=0)

    assert many.compute - few.compute == 1000 * 512 * 4


def test_a_model_that_does_not_tell_its_shape_is_taken_for_more_than_its_file() -> None:
    blind = Head(size=100 * MIB, needed=0, values={}, lengths={})

    found = estimate(blind, slots=2, context=4096, prompt_cache=0)

    assert found.weights == 120 * MIB
    assert found.context == 0
