"""References to secrets are resolved, and no error ever shows a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from sutazai.fleet.errors import BadFleet
from sutazai.fleet.secrets import FILE_MAX, is_reference, resolve_secret, secret_files

ENVIRON = {"TOKEN": "s3cret", "EMPTY": "", "NESTED": "${TOKEN}", "DIR": "keys"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${TOKEN}", "s3cret"),
        ("Bearer ${TOKEN}!", "Bearer s3cret!"),
        ("${TOKEN}${TOKEN}", "s3crets3cret"),
        ("[${EMPTY}]", "[]"),
        ("${NESTED}", "${TOKEN}"),
        ("$${TOKEN}", "${TOKEN}"),
        ("$$${TOKEN}", "$${TOKEN}"),
        ("$TOKEN costs 5$", "$TOKEN costs 5$"),
        ("{port}", "{port}"),
        ("a file: b", "a file: b"),
    ],
)
def test_variables_stand_for_their_values(text: str, value: str) -> None:
    assert resolve_secret(text, ENVIRON, Path("/")) == value


@pytest.mark.parametrize("content", ["s3cret", "s3cret\n", "s3cret\r\n"])
def test_a_file_stands_for_its_content_without_the_line_end(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "token").write_bytes(content.encode())

    assert resolve_secret("file:keys/token", {}, tmp_path) == "s3cret"
    assert resolve_secret("file:${DIR}/token", ENVIRON, tmp_path) == "s3cret"
    assert resolve_secret(f"file:{tmp_path}/keys/token", {}, Path("/")) == "s3cret"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${MISSING}", "environment variable MISSING is not set"),
        ("${}", "without the name of a variable"),
        ("${TOKEN", "without the name of a variable"),
        ("${TO KEN}", "without the name of a variable"),
        ("${TOKEN:-x}", "without the name of a variable"),
        ("file:missing", "no such file"),
        ("file:.", "is a directory"),
        ("file:\0", "zero character"),
        ("file:~nobody-of-this-name/x", "there is no such user"),
        ("file:${MISSING}/x", "MISSING is not set"),
    ],
)
def test_a_reference_that_leads_nowhere_says_why(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadFleet) as caught:
        resolve_secret(text, ENVIRON, tmp_path)

    assert words in str(caught.value)
    assert caught.value.hint


def test_files_that_are_no_small_text_are_refused_without_showing_them(tmp_path: Path) -> None:
    (tmp_path / "large").write_text("s3cret" * FILE_MAX)
    (tmp_path / "binary").write_bytes(b"s3cret\xff")

    for name, words in (("large", "more than 64 KiB"), ("binary", "not UTF-8")):
        with pytest.raises(BadFleet, match=words) as caught:
            resolve_secret(f"file:{name}", {}, tmp_path)
        assert "s3cret" not in repr(caught.value.as_dict())
        assert caught.value.__cause__ is None


def test_errors_beside_a_resolved_value_do_not_show_it() -> None:
    with pytest.raises(BadFleet) as caught:
        resolve_secret("${TOKEN} ${MISSING}", ENVIRON, Path("/"))

    assert "s3cret" not in repr(caught.value.as_dict())


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("${TOKEN}", True),
        ("Bearer ${TOKEN}", True),
        ("file:key", True),
        ("sk-123", False),
        ("$${TOKEN}", False),
        ("", False),
    ],
)
def test_what_is_a_reference_and_what_a_secret_itself(text: str, is_one: bool) -> None:
    assert is_reference(text) is is_one


def test_all_files_that_are_referred_to_are_found(tmp_path: Path) -> None:
    declared = {
        "clients": {"tea": {"key": "file:${DIR}/tea"}},
        "targets": [{"url": "file:/run/url"}, {"url": "${TOKEN}"}, {"retries": 3}],
        "lost": "file:${NOWHERE}/key",
    }
    assert secret_files(declared, ENVIRON, tmp_path) == {tmp_path / "keys/tea", Path("/run/url")}
