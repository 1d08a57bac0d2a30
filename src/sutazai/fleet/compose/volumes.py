"""The volumes of a Compose service: ``[SOURCE:]TARGET[:MODE]`` or keys, told apart for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True)
class Mount:
    """One entry of ``volumes``. ``kind`` is ``volume``, ``bind`` or what the long form says."""

    kind: str
    source: str
    target: str
    mode: str = ""

    def __str__(self) -> str:
        """As in the short form."""
        return ":".join(part for part in (self.source, self.target, self.mode) if part)

    @property
    def is_docker_socket(self) -> bool:
        """Whether it hands Docker itself to the container."""
        return self.source.endswith("docker.sock")


def parse_volume(value: Any) -> Mount:
    """One entry, short or long. Raises ValueError."""
    if isinstance(value, dict):
        return _long(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a volume is a text as data:/var/lib/data, or keys")
    return _short(value.strip())


def _short(text: str) -> Mount:
    pieces = _split(text)
    if len(pieces) > 3 or not all(pieces):
        raise ValueError("not a volume as data:/var/lib/data")
    if len(pieces) == 1:
        return Mount("volume", "", pieces[0])
    source, target, *mode = pieces
    kind = "bind" if source.startswith((".", "/", "~", "$")) else "volume"
    return Mount(kind, source, target, mode[0] if mode else "")


def _split(text: str) -> list[str]:
    """At colons that stand outside of ``${…}``."""
    pieces, depth = [""], 0
    for at, char in enumerate(text):
        if text.startswith("${", at):
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        if char == ":" and not depth:
            pieces.append("")
        else:
            pieces[-1] += char
    return pieces


def _long(entry: dict[str, Any]) -> Mount:
    target = entry.get("target")
    if not isinstance(target, str) or not target:
        raise ValueError("a volume needs `target`")
    mode = "ro" if entry.get("read_only") is True else ""
    source = entry.get("source")
    return Mount(
        str(entry.get("type") or "volume"), source if isinstance(source, str) else "", target, mode
    )
