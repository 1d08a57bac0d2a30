"""Where a server can be reached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, cast

from sutazai.fleet.errors import BadInput

Scheme = Literal["http", "https", "unix"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<base>(?:/[!-~]*)?)"
)
_BASE = re.compile(r"(?:/[!$-;=@-~]*)?")


@dataclass(frozen=True)
class Address:
    """A server's place: ``http://host:port/base``, ``https://…`` or ``unix:/path``.

    ``host`` and ``port`` are empty and 0 for a Unix socket, ``socket`` is empty otherwise; ``base``
    is put before every target and has no slash at its end. An IPv6 host stands without brackets.
    """

    scheme: Scheme
    host: str = ""
    port: int = 0
    socket: str = ""
    base: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that ``text`` names. Raises BadInput."""
        return _parse(text)

    @property
    def authority(self) -> str:
        """What the Host header says."""
        if self.scheme == "unix":
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @cached_property
    def text(self) -> str:
        """As `parse` takes it; every address has its own."""
        if self.scheme == "unix":
            return f"unix:{self.socket}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.base}"

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=1024)
def _parse(text: str) -> Address:
    if text.startswith("unix:"):
        return _parse_unix(text)
    match = _URL.fullmatch(text)
    if match is None:
        raise _bad(text)
    scheme = cast("Scheme", match["scheme"])
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    base = match["base"].rstrip("/")
    if not 0 < port < 65536 or not _BASE.fullmatch(base):
        raise _bad(text)
    return Address(scheme, host=match["host"].strip("[]"), port=port, base=base)


def _parse_unix(text: str) -> Address:
    path = text.removeprefix("unix:")
    if not path.startswith("/") or "\0" in path:
        raise _bad(text)
    return Address("unix", socket=path)


def _bad(text: str) -> BadInput:
    return BadInput(
        f"not an address: {text!r}",
        hint="write http://HOST:PORT, https://HOST or unix:/PATH",
    )
