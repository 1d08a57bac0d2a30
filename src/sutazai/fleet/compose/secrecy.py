"""Which values seem to be secrets, so that they are neither written nor printed."""

from __future__ import annotations

import re
from collections.abc import Callable

_WORDS = "PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRET|TOKEN|KEY|CREDENTIALS?|AUTH|DSN|SALT"
_SECRET_NAME = re.compile(rf"PASSWORD(?!.*_FILE$)|SECRET(?!.*_FILE$)|(^|[_.-])({_WORDS})$", re.I)
_FLAG = rf"--?(?:[\w.-]*(?:PASSWORD|PASSWD|PASS|SECRET|TOKEN)|(?:[\w.-]*[_.-])?(?:{_WORDS}))"
_FLAG_AND_VALUE = re.compile(
    rf"(?<![^\s\0])(?P<flag>{_FLAG})(?P<between>=|[\s\0]+)(?P<value>[^\s\0$'\"./-][^\s\0$'\"]*)",
    re.I,
)
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s\0:@]*):([^/\s\0@]+)@")
_NO_SECRET = ("", "none", "true", "false", "yes", "no", "0", "1")


def is_secret_name(name: str) -> bool:
    """Whether a variable of that name holds a secret, as far as a name tells."""
    return _SECRET_NAME.search(name) is not None


def is_secret(name: str, value: str) -> bool:
    """Whether the variable ``name`` with this value is one; switches are not."""
    return is_secret_name(name) and value.strip().lower() not in _NO_SECRET


def url_password(text: str) -> re.Match[str] | None:
    """The password written within a URL (group 2), unless it is a variable."""
    found = _URL_PASSWORD.search(text)
    return None if found is None or "$" in found[2] else found


def without_secrets(words: list[str], name_for: Callable[[str, str], str]) -> list[str]:
    """A program's arguments with ``${VARIABLE}`` for each secret, as after ``--password``.

    Args:
        name_for: gives the variable for what the secret is called, and the secret.
    """

    def after_flag(match: re.Match[str]) -> str:
        if match["value"].lower() in _NO_SECRET:
            return match[0]
        name = name_for(match["flag"].strip("-"), match["value"])
        return f"{match['flag']}{match['between']}${{{name}}}"

    def in_url(match: re.Match[str]) -> str:
        if "$" in match[2]:
            return match[0]
        return f"{match[1]}:${{{name_for('PASSWORD', match[2])}}}@"

    text = _FLAG_AND_VALUE.sub(after_flag, "\0".join(words))
    return _URL_PASSWORD.sub(in_url, text).split("\0") if words else []
