"""Takes secrets out of texts before they are kept. Pure.

It knows what keys of well-known services look like, and takes what is called a password, a secret,
a token or a key for one. It removes too much rather than too little; e-mail addresses stay. Each
pattern is tried only where a word occurs without which it cannot match, and none takes more than
linear time.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

REMOVED = "[removed]"

# The first letter stands outside of what ignores case: else the search is five times slower.
_NAMES = (
    r"[PpSsTtCcAa](?i:(?<=p)(?:assw(?:or)?d|assphrase|wd|rivate[ _-]?key)"
    r"|(?<=s)(?:ecret(?:[ _-]?key)?|ubscription[ _-]?key)|(?<=t)oken|(?<=c)redentials?"
    r"|(?<=a)(?:pi|ccess|ccount|uth)[ _-]?key)"
)
_SECRET_NAME = re.compile(rf"(?:{_NAMES}\d?|(?i:authorization))\Z")

_KEY_BLOCK = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_SCHEME = r"(?:(?:basic|bearer|token|digest|negotiate|apikey)\s{1,4})?+"
_QUOTED = r"(?P<quote>\\*[\"'])(?:(?!(?P=quote))(?:\\.|[^\n])){1,4096}"
_BARE = r"[^\s\"'\\,;&<>(){}\[\]|]{6,}+(?!\s?\()"  # possessive: what is called is no secret


@dataclass(frozen=True, slots=True)
class _Rule:
    """``pattern`` can match only where one of ``words`` (lower case) occurs."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    instead: str = REMOVED


_RULES = (
    _Rule(
        ("private key",),
        re.compile(rf"-----BEGIN {_KEY_BLOCK}.*?(?:-----END {_KEY_BLOCK}|\Z)", re.DOTALL),
    ),
    _Rule(
        ("://", r":\/\/"),
        re.compile(r"(:(?:\\?/){2}[^\s/:@\\\"'<>]{0,256}:)[^\s/@\\\"'<>]{1,256}(?=@)"),
        rf"\1{REMOVED}",
    ),
    _Rule(
        (
            *("sk-", "sk_", "rk_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
            *("xox", "akia", "asia", "aiza", "hf_", "gsk_", "npm_", "pypi-", "eyj", "ya29."),
        ),
        re.compile(
            r"(?<![\w-])(?:sk-(?=[\w-]{0,99}\d)[\w-]{16,}|[sr]k_(?:live|test)_\w{10,}"
            r"|gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}"
            r"|A[KS]IA[A-Z0-9]{16}|AIza[\w-]{30,}|hf_[A-Za-z0-9]{20,}|gsk_\w{20,}|npm_\w{30,}"
            r"|pypi-[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|ya29\.[\w-]{20,})"
        ),
    ),
    _Rule(
        ("authorization",),
        re.compile(
            rf"(authorization(?:\\*[\"'])?\s{{0,4}}[:=]\s{{0,4}}(?:\\*[\"'])?{_SCHEME})"
            r"[^\s\"'\\,;\[]{6,}",
            re.IGNORECASE,
        ),
        rf"\1{REMOVED}",
    ),
    _Rule(
        ("bearer",),
        re.compile(r"\b(bearer\s{1,4})(?=[\w.~+/=-]*\d)[\w.~+/=-]{8,}", re.IGNORECASE),
        rf"\1{REMOVED}",
    ),
    _Rule(
        ("passw", "passphrase", "pwd", "secret", "token", "credential", "key"),
        re.compile(
            rf"({_NAMES}\d?(?:\\*[\"'])?\s{{0,4}}(?:=>|[:=])\s{{0,4}})(?:{_QUOTED}|{_BARE})"
        ),
        rf"\1\g<quote>{REMOVED}",
    ),
)


def redact(text: str) -> str:
    """``text`` with `REMOVED` in the place of each secret."""
    lower = text.lower()
    for rule in _RULES:
        if any(word in lower for word in rule.words):
            text = rule.pattern.sub(rule.instead, text)
    return text


def redact_body(body: bytes) -> tuple[bytes, bool]:
    """A request's body without its secrets, and whether there were any; else byte for byte.

    A body that is JSON stays so, and stays what it says but for the secrets.
    """
    text = body.decode("utf-8", "surrogateescape")
    redacted = redact(text)
    if redacted == text:
        return body, False
    try:
        value = json.loads(body)
        cleaned = _redact_value(value)
    except (ValueError, RecursionError):
        return redacted.encode("utf-8", "surrogateescape"), True
    if cleaned == value:
        return body, False
    return json.dumps(cleaned, separators=(",", ":")).encode(), True


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redact_value(item) for item in value]
    if isinstance(value, dict):
        return {name: _redact_member(name, item) for name, item in value.items()}
    return value


def _redact_member(name: str, value: Any) -> Any:
    if isinstance(value, str) and value and _SECRET_NAME.search(name):
        return REMOVED
    return _redact_value(value)
