"""What is taken out of texts before they are kept, and what is not."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.gateway.records.redaction import REMOVED, redact, redact_body

SECRETS = {
    "OpenAI": "use sk-proj-Ab12Cd34Ef56Gh78Ij90 now",
    "Anthropic": "sk-ant-api03-abcdefghij1234567890",
    "GitHub": "ghp_abcdefghijklmnopqrst0123456789",
    "GitHub, fine-grained": "github_pat_11ABCDEFG0abcdefghijkl",
    "GitLab": "glpat-abcdefghij0123456789",
    "Slack": "xoxb-123456789012-abcdefghij",
    "AWS": "id AKIAIOSFODNN7EXAMPLE here",
    "Google": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "Hugging Face": "hf_abcdefghijklmnopqrstuvwx",
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123",
    "bearer": "curl -H 'X: Bearer abcdefgh12345678'",
    "basic": "Authorization: Basic dXNlcjpwYXNzd29yZA==",
    "key in a header": "x-api-key: 0123456789abcdef",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "private key, cut": "-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA",
    "private key in JSON": r"-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----",
    "URL": "postgres://bob:hunter2@db.example.org/main",
    "URL in JSON of PHP": r"https:\/\/bob:hunter2@example.org",
    "password": "password: correct-horse",
    "password, one word": 'Password="correct horse battery"',
    "environment": "export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG",
    "code": "api_key = 'abc'",
    "JSON": '{"client_secret": "abc", "n": 1}',
    "JSON in JSON": r'{"arguments": "{\"apiKey\": \"abc def\"}"}',
    "quote within": r'{"token": "abc\"def"}',
    "YAML": "passphrase:   opensesame",
    "Ruby": "secret => opensesame",
}

NO_SECRETS = (
    "write to bob@example.org or to alice@localhost",
    "max_tokens: 4096, completion_tokens=17",
    '{"max_tokens": 4096, "token_count": 12}',
    "token = get_token(request)",
    "api_key: ${OPENAI_API_KEY}",
    "a token is the smallest unit of text",
    "see http://localhost:8080/users/@me",
    "the bearer of good news",
    "ask-me-anything-about-2024-elections",
    "the primary_key: identifier",
    "he has spoken: nevertheless",
)


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_removed(text: str) -> None:
    redacted = redact(text)

    assert REMOVED in redacted
    for word in ("Ab12", "hunter2", "MIIE", "MHc", "horse", "wJal", "opensesame", "abc", "0123"):
        assert word not in redacted
    assert redact(redacted) == redacted


@pytest.mark.parametrize("text", NO_SECRETS)
def test_the_rest_stays(text: str) -> None:
    assert redact(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    assert redact("mail bob@a.org, password=hunter22; bye") == (
        f"mail bob@a.org, password={REMOVED}; bye"
    )
    assert redact("redis://:hunter2@cache:6379/0") == f"redis://:{REMOVED}@cache:6379/0"


def test_a_body_without_secrets_is_kept_byte_for_byte() -> None:
    body = b'{ "model":"standard",\n"max_tokens": 5 }'
    assert redact_body(body) == (body, False)


def test_a_body_with_secrets_is_still_json_and_says_the_same() -> None:
    said = {
        "model": "standard",
        "seed": 7,
        "messages": [{"role": "user", "content": 'log in: {"password": "a\\"b"} at ü'}],
        "metadata": {"api_key": "abc", "authorization": "Basic x", "token": 5, "secret": ""},
    }

    body, altered = redact_body(json.dumps(said).encode())

    assert altered
    found = json.loads(body)
    assert found["seed"] == 7
    assert found["messages"][0]["content"] == f'log in: {{"password": "{REMOVED}"}} at ü'
    assert found["metadata"] == {
        "api_key": REMOVED, "authorization": REMOVED, "token": 5, "secret": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b'{"password": "hunter22"',
        b"\xff\xfe password=hunter22",
        b'{"password":"hunter22","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=["cut", "no text", "deep"],
)
def test_a_body_that_is_no_json_loses_its_secrets_too(body: bytes) -> None:
    kept, altered = redact_body(body)

    assert altered
    assert b"hunter22" not in kept
    assert len(kept) > len(body) - 20


HARD = (
    *(
        "sk-",
        "sk-a-",
        "eyJ",
        "password:",
        "password=\\",
        "bearer ",
        "-----BEGIN ",
        "://",
        "token=a(",
    ),
    *("authorization:", "-----BEGIN PRIVATE KEY-----", "eyJaaaaaaaa", 'secret="\\', "a:b@://"),
)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", HARD)
def test_no_text_takes_more_than_linear_time(piece: str) -> None:
    redact(piece * (1_000_000 // len(piece)))
    redact(piece + "a" * 1_000_000)
    redact(piece + "\\" * 1_000_000)


@given(st.text(alphabet=string.printable))
def test_any_text_can_be_looked_through(text: str) -> None:
    body, altered = redact_body(text.encode())
    assert altered == (body != text.encode())
