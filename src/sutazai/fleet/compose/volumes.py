"""The volumes of a Compose service: ``[SOURCE:]TARGET[:MODE]`` or keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.checks import ENGINE_SOCKETS
from sutazai.fleet.compose.around import Around
from sutazai.fleet.compose.source import ComposeService, Node
from sutazai.fleet.mounts import parse_mount
from sutazai.fleet.positions import shown

_KINDS = ("volume", "bind")


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
        return self.source.endswith(ENGINE_SOCKETS)


def volumes_of(service: ComposeService, around: Around) -> list[str]:
    """What the fleet file says under ``volumes``; what it cannot say is found."""
    found = []
    for node in (item for volumes in service.all("volumes") for item in volumes.items()):
        try:
            mount = parse_volume(_plain(node, around))
            if text := _carried(mount, node, around):
                parse_mount(text)
                found.append(text)
        except ValueError as error:
            around.findings.note(node.path, f"this volume is left out: {error}")
    return found


def _plain(node: Node, around: Around) -> Any:
    return around.plain(node) if isinstance(node.value, str) else node.value


def _carried(mount: Mount, node: Node, around: Around) -> str | None:
    """The mount in the fleet file's words; volumes keep their data by the engine's name of them."""
    if mount.is_docker_socket:
        message = "this hands Docker itself to the container, which a fleet does not"
        around.findings.note(node.path, message, "leave it in the Compose file")
        return None
    if mount.kind not in _KINDS:
        message = f"a mount of type {shown(mount.kind)} is not carried over"
        around.findings.note(node.path, message, "the image's own folders count")
        return None
    modes = [mode for mode in mount.mode.split(",") if mode and mode != "rw"]
    if others := [mode for mode in modes if mode != "ro"]:
        message = f"the mode {shown(others[0])} of this volume is not carried over"
        around.findings.note(node.path, message)
    source = around.volumes.get(mount.source, mount.source)
    return str(Mount(mount.kind, source, mount.target, "ro" if "ro" in modes else ""))


def names_of_volumes(top: Mapping[str, Any], project: str) -> dict[str, str]:
    """What the engine calls the volumes that a Compose file declares."""
    declared = top.get("volumes")
    found = {}
    for name, about in (declared if isinstance(declared, dict) else {}).items():
        keys = about if isinstance(about, dict) else {}
        external = bool(keys.get("external"))
        found[str(name)] = str(keys.get("name") or (name if external else f"{project}_{name}"))
    return found


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
