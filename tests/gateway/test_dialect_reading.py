"""JSON is read as the standard library reads it, only faster."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.gateway.dialects.reading import read_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=values, ascii_only=st.booleans())
def test_whatever_is_written_is_read(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    data = text.encode("utf-8", "surrogatepass" if ascii_only else "replace")
    assert read_json(data) == json.loads(data)


@given(data=st.binary())
def test_whatever_else_comes_is_refused_in_the_same_way(data: bytes) -> None:
    try:
        expected = json.loads(data)
    except ValueError as error:
        with pytest.raises(type(error)):
            read_json(data)
    else:
        assert repr(read_json(data)) == repr(expected)  # NaN equals nothing


def test_what_only_the_standard_library_reads_is_read() -> None:
    assert math.isnan(read_json(b"NaN")) and read_json(b"[1e400]") == [math.inf]
    assert read_json(b'"\\ud800"') == "\ud800"
    assert read_json('{"a": 1}'.encode("utf-16")) == {"a": 1}
    assert read_json(b"123456789012345678901234567890") == 123456789012345678901234567890
    assert read_json(b'{"a": 1, "a": 2}') == {"a": 2}


def test_what_is_too_deep_is_an_error_and_no_crash() -> None:
    with pytest.raises(RecursionError):
        read_json(b"[" * 100_000 + b"]" * 100_000)
