"""The ports that a Compose service publishes: ``[IP:][PUBLISHED:]TARGET[/PROTOCOL]`` or keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

PORT_MAX = 65535

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 (compared, never bound)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_RANGE = r"\d{1,5}(?:-\d{1,5})?"
_SHORT = re.compile(
    r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:/\s]+):)??"
    rf"(?:(?P<published>{_RANGE})?:)?(?P<target>{_RANGE})(?:/(?P<protocol>[a-z]+))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Published:
    """One entry of ``ports``.

    Args:
        target: first port within the container.
        published: first port on the machine; None for one that Docker chooses.
        count: ports of a range, 1 for a single one.
        host: address that it is bound to, or empty for all.
        protocol: ``tcp`` or ``udp``.
    """

    target: int
    published: int | None = None
    count: int = 1
    host: str = ""
    protocol: str = "tcp"

    @property
    def on_other_address(self) -> bool:
        """Whether it was bound to one address that is not loopback."""
        return bool(self.host) and self.host not in _EVERYWHERE + _LOOPBACK


def parse_port(value: Any) -> Published:
    """One entry, short (text or number) or long (keys). Raises ValueError."""
    if isinstance(value, dict):
        return _long(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("a port is a text as 8080:80, a number, or keys")  # noqa: TRY004
    return _short(str(value).strip())


def _short(text: str) -> Published:
    match = _SHORT.fullmatch(text)
    if match is None:
        raise ValueError("not a port as 8080:80")
    return _published(
        match["target"], match["published"], match["host"] or "", match["protocol"] or "tcp"
    )


def _long(entry: dict[str, Any]) -> Published:
    published, host = entry.get("published"), entry.get("host_ip")
    return _published(
        _number(entry.get("target")),
        None if published in (None, "") else _number(published),
        str(host or ""),
        str(entry.get("protocol") or "tcp"),
    )


def _number(value: Any) -> str:
    text = str(value).strip() if isinstance(value, (str, int)) else ""
    if not re.fullmatch(_RANGE, text, re.ASCII):
        raise ValueError("`target` and `published` are numbers of ports")
    return text


def _published(target: str, published: str | None, host: str, protocol: str) -> Published:
    inside, count = _first_and_count(target)
    outside, outside_count = _first_and_count(published) if published else (None, count)
    if count != outside_count and count != 1:
        raise ValueError("the two ranges of ports are not of one length")
    return Published(inside, outside, max(count, outside_count), host.strip("[]"), protocol)


def _first_and_count(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    begin, end = int(first), int(last or first)
    if not 1 <= begin <= end <= PORT_MAX:
        raise ValueError(f"ports are from 1 to {PORT_MAX}, the lower one first")
    return begin, end - begin + 1
