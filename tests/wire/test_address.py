"""Addresses: what is one, what is none, and back to text."""

from __future__ import annotations

import pytest

from sutazai.fleet.errors import BadInput
from sutazai.wire import Address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:80/base", Address("http", "127.0.0.1", 80, base="/base")),
        ("http://127.0.0.1:11434", Address("http", "127.0.0.1", 11434)),
        ("https://h/base/", Address("https", "h", 443, base="/base")),
        ("https://api.example.com", Address("https", "api.example.com", 443)),
        ("http://[::1]:8080/", Address("http", "::1", 8080)),
        ("unix:/run/x.sock", Address("unix", socket="/run/x.sock")),
    ],
)
def test_an_address_is_parsed_and_survives_being_written(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected
    assert Address.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "127.0.0.1:80", "ftp://h", "http://", "http://h:0", "http://h:65536", "http://h:x",
        "http://user:secret@h", "http://h/a?b=c", "http://h/a#b", "http://h/a b", "http://h\r\n",
        "unix:", "unix:relative", "unix:/a\0b", "http://h/a\r\nX: y",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        Address.parse(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("http://h", "h"),
        ("http://h:8080", "h:8080"),
        ("https://h:443", "h"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("unix:/run/x.sock", "localhost"),
    ],
)
def test_the_host_header_leaves_a_usual_port_out(text: str, host: str) -> None:
    assert Address.parse(text).authority == host
