"""What servers tell, and what nonsense is made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.gateway.backends.told import (
    Loaded,
    Props,
    digest_of,
    read_loaded,
    read_props,
    read_trained,
)
from sutazai.gateway.dialects.neutral import Model

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("models", "name", "context_length", "expires_at", "model_info", "x.context_length",
                 "total_slots", "default_generation_settings", "n_ctx")
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


def test_what_ollama_has_loaded() -> None:
    entry = {
        "name": "a:latest",
        "context_length": 4096,
        "expires_at": "2025-10-17T16:47:07.9-07:00",
    }
    assert read_loaded({"models": [entry, {"name": "old"}, {"size": 1}]}) == (
        Loaded("a:latest", 4096, 1760744827.9),
        Loaded("old", 0, 0.0),
    )


def test_a_model_that_is_in_the_gpu_in_part_is_told_apart() -> None:
    entries = [
        {"name": name, "size": 5, "size_vram": on_gpu}
        for name, on_gpu in (("gpu", 5), ("part", 3), ("cpu", 0))
    ]
    assert [each.is_split for each in read_loaded({"models": entries})] == [False, True, False]


def test_what_a_model_was_trained_with() -> None:
    info = {"general.architecture": "llama", "llama.context_length": 8192, "llama.block_count": 9}
    assert read_trained({"model_info": info}) == 8192


def test_how_llama_cpp_was_started() -> None:
    value = {"total_slots": 4, "default_generation_settings": {"n_ctx": 2048}}
    assert read_props(value) == Props(4, 2048)
    assert read_props({"role": "router"}) == Props(), "a router of several models tells neither"


def test_the_digest_is_ollamas_or_what_else_tells_models_apart() -> None:
    assert digest_of(Model("a", entry={"digest": "abc"})) == "abc"
    assert digest_of(Model("a", size=1)) != digest_of(Model("a", size=2))
    assert digest_of(Model("a", size=1, created=1)) == digest_of(Model("a", size=1, created=2))


@given(anything)
def test_nonsense_is_not_told(value: Any) -> None:
    for loaded in read_loaded(value):
        assert loaded.context >= 0
    assert read_trained(value) >= 0
    props = read_props(value)
    assert props.slots >= 0 and props.context >= 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, -1, True, "8", None])
def test_odd_numbers_are_nought(value: Any) -> None:
    assert read_props({"total_slots": value}).slots == 0
