"""Lists of models as backends send them, sane or not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.ollama.models import render_running, render_show

OPENAI, OLLAMA = CODECS[Dialect.OPENAI], CODECS[Dialect.OLLAMA]


def test_what_llama_cpp_tells_of_its_model_is_kept() -> None:
    meta = {"n_ctx": 4096, "n_params": 134515008, "size": 96576768}
    entry = {"id": "m", "created": 1795238403, "owned_by": "llamacpp", "meta": meta}
    (model,) = OPENAI.parse_models({"data": [entry]})
    assert (model.context, model.parameters, model.size) == (4096, 134515008, 96576768)
    (shown,) = OLLAMA.render_models([model])["models"]
    assert shown["details"]["parameter_size"] == "135M"
    assert shown["modified_at"] == "2026-11-21T05:20:03.000000Z"
    assert render_show(model)["model_info"]["unknown.context_length"] == 4096


def test_what_ollama_tells_is_passed_on_as_it_is() -> None:
    entry = {"name": "m:1b", "modified_at": "2025-01-02T03:04:05.123456789+01:00", "size": 5}
    (model,) = OLLAMA.parse_models({"models": [entry]})
    assert OLLAMA.render_models([model]) == {"models": [entry]}
    (shown,) = OPENAI.render_models([model])["data"]
    assert (shown["id"], shown["created"], shown["owned_by"]) == ("m:1b", 1735783445, "ollama")


@pytest.mark.parametrize("value", [None, [], {}, {"data": 7, "models": "x"}, "text"])
def test_what_is_no_list_is_told(value: Any) -> None:
    for codec in (OPENAI, OLLAMA):
        if value == [] and codec is OPENAI:
            assert codec.parse_models(value) == ()  # some servers leave the wrapping out
            continue
        with pytest.raises(BadPeer):
            codec.parse_models(value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)
entries = st.dictionaries(
    st.sampled_from(["id", "name", "model", "created", "meta", "modified_at", "size", "owned_by"]),
    anything | st.datetimes().map(str) | st.dictionaries(st.just("n_ctx"), anything),
)


@given(entry=entries)
def test_no_entry_of_any_shape_breaks_a_list(entry: dict[str, Any]) -> None:
    for codec in (OPENAI, OLLAMA):
        models = codec.parse_models({"data": [entry], "models": [entry]})
        for renderer in (OPENAI, OLLAMA):
            renderer.render_models(models)
        render_running(models, 0.0)
        for model in models:
            render_show(model)
