"""How a fleet in Git is named: ``git+https://HOST/REPOSITORY@BRANCH#PATH``. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit

from sutazai.fleet.errors import BadInput

PREFIX = "git+"
SCHEMES = ("https", "http", "ssh", "file")
DEFAULT_PATH = "fleet.yaml"
HEAD = "HEAD"

_REFERENCE = re.compile(r"(?!.*(\.\.|//|@\{))\w[\w./@+-]*")
_FORM = "git+https://HOST/REPOSITORY@BRANCH#PATH, or with git+ssh or git+file"


@dataclass(frozen=True)
class GitSource:
    """Where a fleet lies.

    Args:
        url: of the repository, as git takes it; nothing secret is in it.
        reference: a branch or tag; ``HEAD`` for the repository's own.
        path: of the fleet file, or of a folder of parts, from the top of the repository.
        user: who asks for it over HTTP, and
        password: with what; texts that may hold ``${NAME}``.
    """

    url: str
    reference: str = HEAD
    path: str = DEFAULT_PATH
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """As the user named it, without what is secret."""
        branch = "" if self.reference == HEAD else f"@{self.reference}"
        return f"{PREFIX}{self.url}{branch}#{self.path}"

    @property
    def digest(self) -> str:
        """12 hexadecimal characters, the same for every path in one branch."""
        return hashlib.sha256(f"{self.url}\0{self.reference}".encode()).hexdigest()[:12]


def is_git(text: str) -> bool:
    """Whether ``text`` names a Git source rather than a file."""
    return text.startswith(PREFIX)


def parse_git(text: str) -> GitSource:
    """The source that ``text`` names. Raises BadInput, which repeats nothing that may be secret."""
    try:
        parts = urlsplit(text.removeprefix(PREFIX))
        _ = parts.port  # refuses `host:owner/repository`, which is no URL
    except ValueError as error:
        raise BadInput("this is no URL of a Git repository", hint=f"write {_FORM}") from error
    _check(parts)
    place, _, reference = parts.path.rpartition("@") if "@" in parts.path else (parts.path, "", "")
    reference = unquote(reference) or HEAD
    if not _REFERENCE.fullmatch(reference):
        raise BadInput(f"`{reference}` is no name of a branch", hint=f"write {_FORM}")
    at, host = _authority(parts)
    web = parts.scheme in ("https", "http")
    return GitSource(
        url=f"{parts.scheme}://{host if web else at + host}{place}",
        reference=reference,
        path=_path(unquote(parts.fragment)),
        user=unquote(parts.username or "") if web else "",
        password=unquote(parts.password or "") if web else "",
    )


def _check(parts: SplitResult) -> None:
    if parts.scheme not in SCHEMES:
        raise BadInput(
            f"a Git source is one of git+{', git+'.join(SCHEMES)}", hint=f"write {_FORM}"
        )
    if parts.query:
        raise BadInput("a Git source has no `?`", hint="a token goes before the host: TOKEN@HOST")
    if parts.scheme == "ssh" and parts.password:
        raise BadInput(
            "ssh takes no password from a URL", hint="it takes keys: git+ssh://git@HOST/…"
        )
    if not parts.path.strip("/") or bool(parts.hostname) is (parts.scheme == "file"):
        raise BadInput("this names no Git repository", hint=f"write {_FORM}")


def _authority(parts: SplitResult) -> tuple[str, str]:
    """User with its ``@``, and host with its port."""
    user, at, host = parts.netloc.rpartition("@")
    return user + at, host


def _path(text: str) -> str:
    path = PurePosixPath(text or DEFAULT_PATH)
    if path.is_absolute() or ".." in path.parts:
        raise BadInput(
            f"`{text}` is no path in a repository",
            hint="paths count from its top: #fleets/tea.yaml",
        )
    return str(path)
