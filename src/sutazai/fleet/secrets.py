"""References to secrets: ``${VAR}`` and ``file:PATH``, read at the moment of use, never stored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sutazai.fleet.errors import BadFleet

FILE_PREFIX = "file:"
FILE_MAX = 64 * 1024

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_reference(text: str) -> bool:
    """Whether ``text`` names a secret, rather than being one."""
    return text.startswith(FILE_PREFIX) or any(
        match[0] != "$${" for match in _REFERENCE.finditer(text)
    )


def resolve_secret(text: str, environ: Mapping[str, str], base: Path) -> str:
    """``text`` with its references replaced by what they stand for.

    ``${VAR}``, also within other text, is a variable of ``environ``; ``$${`` is a plain ``${``.
    A text that begins with ``file:`` is the content of that file, without the line end at its end;
    a relative path counts from ``base``, and may hold ``${VAR}``. What a reference stands for is
    not looked through for further ones.

    Raises BadFleet, which never holds the value of a secret.
    """
    if text.startswith(FILE_PREFIX):
        return _read(_place(_expanded(text[len(FILE_PREFIX) :], environ), base))
    return _expanded(text, environ)


def secret_files(declared: Any, environ: Mapping[str, str], base: Path) -> set[Path]:
    """The files that ``declared`` (JSON-like) refers to by ``file:``, whether they are there or
    not; those whose path cannot be made out are left out."""
    found = set()
    for text in _texts(declared):
        if text.startswith(FILE_PREFIX):
            with suppress(BadFleet):
                found.add(_place(_expanded(text[len(FILE_PREFIX) :], environ), base))
    return found


def _texts(declared: Any) -> Iterator[str]:
    if isinstance(declared, str):
        yield declared
    elif isinstance(declared, dict | list):
        for each in declared.values() if isinstance(declared, dict) else declared:
            yield from _texts(each)


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: _value(match, environ), text)


def _value(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match[0] == "$${":
        return "${"
    if not match[2] or not _NAME.fullmatch(match[1]):
        raise BadFleet(
            "`${` without the name of a variable and `}` after it",
            hint="write ${NAME}; a plain ${ is written $${",
        )
    try:
        return environ[match[1]]
    except KeyError:
        raise BadFleet(
            f"the environment variable {match[1]} is not set",
            hint=f"set it before the fleet starts: export {match[1]}=…",
            variable=match[1],
        ) from None


def _place(text: str, base: Path) -> Path:
    try:
        return base / Path(text).expanduser()
    except RuntimeError as error:
        raise _unusable(Path(text), "there is no such user") from error


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
        if len(content) > FILE_MAX:
            raise _unusable(path, f"it has more than {FILE_MAX // 1024} KiB")
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        # No cause: the decoder's error carries the file's content.
        raise _unusable(path, "it is not UTF-8 text") from None
    except ValueError as error:
        raise _unusable(path, "its path holds a zero character") from error
    except OSError as error:
        raise _unusable(path, (error.strerror or "it cannot be read").lower()) from error


def _unusable(path: Path, reason: str) -> BadFleet:
    return BadFleet(
        f"the secret's file {path} cannot be used: {reason}",
        hint="it must be a small text file that the fleet's user may read",
        path=str(path),
    )
