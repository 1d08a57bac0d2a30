"""Which HTTP proxy stands before a server, as the environment says."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self
from urllib.parse import unquote, urlsplit

from sutazai.fleet.errors import BadInput
from sutazai.wire.address import Address


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; ``credentials`` are what Proxy-Authorization says, empty for none."""

    host: str
    port: int
    credentials: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """``http://[USER:PASSWORD@]HOST[:PORT]``. Raises BadInput, which never tells a password."""
        try:
            url = urlsplit(text if "://" in text else f"http://{text}")
            port = url.port or 80
        except ValueError as cause:
            raise BadInput("a proxy's URL in the environment is malformed") from cause
        if url.scheme != "http" or not url.hostname:
            raise BadInput(
                f"a proxy in the environment is of the kind {url.scheme!r}",
                hint="only http:// proxies are spoken with; or name the host in NO_PROXY",
            )
        return cls(url.hostname, port, _credentials(url.username, url.password))

    @property
    def authorization(self) -> str:
        """The header line that it wants, or nothing."""
        return f"proxy-authorization: {self.credentials}\r\n" if self.credentials else ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Proxies:
    """The proxies that the environment names, by scheme, and under ``no`` the hosts that are
    reached without one."""

    settings: Mapping[str, str]

    @classmethod
    def from_environment(cls) -> Self:
        """As HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say, in small letters first."""
        # Imported here because it brings a second HTTP client along.
        from urllib.request import getproxies

        return cls(MappingProxyType(getproxies()))

    def of(self, address: Address) -> Proxy | None:
        """The proxy on the way to ``address``; never one to this machine.

        Raises BadInput where the environment names one that cannot be used.
        """
        if address.scheme == "unix" or _is_here(address.host):
            return None
        text = self.settings.get(address.scheme) or self.settings.get("all")
        if not text or self._is_bypassed(address):
            return None
        return Proxy.parse(text)

    def _is_bypassed(self, address: Address) -> bool:
        if not self.settings.get("no"):
            return False
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

        place = f"{address.host}:{address.port}"
        return bool(proxy_bypass_environment(place, dict(self.settings)))


def _credentials(user: str | None, password: str | None) -> str:
    if user is None:
        return ""
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {b2a_base64(pair.encode(), newline=False).decode()}"


_V4 = r"127(?:\.[0-9]{1,3}){3}"
_LOOPBACK = re.compile(rf"(?:.+\.)?localhost|{_V4}|::1|::ffff:{_V4}")


def _is_here(host: str) -> bool:
    return _LOOPBACK.fullmatch(host.lower()) is not None
