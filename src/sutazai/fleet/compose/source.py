"""A Compose file as services with their keys, each with its place; what is no Compose is refused.

``extends`` within the file is undone here: a service is a tuple of layers, the base first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.compose.findings import Findings, bad_compose, of_compose
from sutazai.fleet.document import Document, read_document
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.explain import did_you_mean, kind_of
from sutazai.fleet.positions import Path, shown
from sutazai.fleet.problems import Problem

EXTENDS_MAX = 16

_SHAPES: dict[tuple[str, ...], tuple[type, ...]] = {
    ("image",): (str,),
    ("build",): (str, dict),
    ("environment",): (dict, list),
    ("env_file",): (str, list, dict),
    ("ports",): (list,),
    ("expose",): (list,),
    ("volumes",): (list,),
    ("depends_on",): (list, dict),
    ("healthcheck",): (dict,),
    ("labels",): (dict, list),
    ("networks",): (dict, list),
    ("profiles",): (list,),
    ("command",): (str, list),
    ("entrypoint",): (str, list),
    ("deploy",): (dict,),
    ("deploy", "resources"): (dict,),
    ("deploy", "resources", "limits"): (dict,),
    ("deploy", "resources", "reservations"): (dict,),
    ("extends",): (str, dict),
}
"""What may stand at these keys of a service; elsewhere it is looked at where it is used."""


@dataclass(frozen=True)
class Node:
    """A value and where it stands."""

    value: Any
    path: Path

    def items(self) -> Iterator[Node]:
        """The items of a list or of a mapping."""
        pairs = self.value.items() if isinstance(self.value, dict) else enumerate(self.value)
        for key, value in pairs:
            yield Node(value, (*self.path, key))


@dataclass(frozen=True)
class ComposeService:
    """One service; ``layers`` are what it extends, the farthest first, and itself."""

    name: str
    path: Path
    layers: tuple[Node, ...]

    def find(self, *keys: str) -> Node | None:
        """The value at ``keys``, from the nearest layer that has one."""
        return next(self._each(keys, reversed(self.layers)), None)

    def all(self, key: str) -> list[Node]:
        """The value of ``key`` of every layer that has one, the nearest last."""
        return list(self._each((key,), iter(self.layers)))

    def keys(self) -> dict[str, Node]:
        """Every key that has a value, from the nearest layer."""
        return {
            key: Node(value, (*layer.path, key))
            for layer in self.layers
            for key, value in layer.value.items()
            if value is not None
        }

    def _each(self, keys: tuple[str, ...], layers: Iterator[Node]) -> Iterator[Node]:
        for layer in layers:
            value = _within(layer.value, keys)
            if value is not None:
                yield Node(value, (*layer.path, *keys))


@dataclass(frozen=True)
class ComposeFile:
    """The whole file. ``top`` is what stands beside ``services``."""

    services: dict[str, ComposeService]
    top: dict[str, Any]


def decoded(content: bytes, *, file: str) -> str:
    """The text of a file. Raises BadCompose at the first place that is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        problem = Problem(file, *place, "", "this is not UTF-8", "save the file as UTF-8")
        raise bad_compose([problem]) from error


def read_compose(text: str, file: str) -> tuple[ComposeFile, Findings]:
    """The services of ``text``. Raises BadCompose with every place that is no Compose."""
    document = _document(text, file)
    findings = Findings(document.positions)
    data = _checked(document, findings)
    declared = data.pop("services")
    for name, entry in declared.items():
        _check_service(name, entry, findings)
    findings.raise_errors()
    services = {name: _service(name, declared, findings) for name in declared}
    findings.raise_errors()
    return ComposeFile(services, data), findings


def _document(text: str, file: str) -> Document:
    if not text.strip():
        raise bad_compose([Problem(file, 1, 1, "", "the file is empty", "name a Compose file")])
    try:
        document = read_document(text, file)
    except BadFleet as error:
        raise of_compose(error) from error
    if document.problems:
        raise bad_compose(document.problems)
    return document


def _checked(document: Document, findings: Findings) -> dict[str, Any]:
    data = document.data
    if not isinstance(data, dict):
        findings.refuse((), f"a Compose file must be keys with values, not {kind_of(data)}")
    elif data.get("services") is None:
        hint = did_you_mean("services", data) or "a Compose file lists its containers there"
        findings.refuse((), "`services` is missing", hint)
    elif not isinstance(data["services"], dict):
        kind = kind_of(data["services"])
        findings.refuse(("services",), f"`services` must be services by name, not {kind}")
    elif not data["services"]:
        findings.refuse(("services",), "`services` is empty")
    findings.raise_errors()
    return dict(data)


def _check_service(name: str, entry: Any, findings: Findings) -> None:
    path = ("services", name)
    if not isinstance(entry, dict):
        findings.refuse(path, f"service `{shown(name)}` must be keys with values")
        return
    for keys, types in _SHAPES.items():
        value = _within(entry, keys)
        if value is not None and not isinstance(value, types):
            expected = " or ".join(_KINDS[each] for each in types)
            message = f"`{'.'.join(keys)}` must be {expected}, not {kind_of(value)}"
            findings.refuse((*path, *keys), message)


_KINDS: dict[type, str] = {str: "text", list: "a list", dict: "keys with values"}


def _service(name: str, declared: dict[str, Any], findings: Findings) -> ComposeService:
    service = ComposeService(name, ("services", name), _layers(name, declared, findings))
    if not service.find("image") and not service.find("build") and not service.find("extends"):
        findings.refuse(
            service.path, f"service `{shown(name)}` has neither `image` nor `build`", "add one"
        )
    return service


def _layers(name: str, declared: dict[str, Any], findings: Findings) -> tuple[Node, ...]:
    layers = [Node(declared[name], ("services", name))]
    while (base := _base(layers[0], declared, findings)) is not None:
        if len(layers) >= EXTENDS_MAX or any(base.path == layer.path for layer in layers):
            findings.refuse((*layers[0].path, "extends"), "this extends itself, or goes on too far")
            break
        layers.insert(0, base)
    return tuple(layers)


def _base(layer: Node, declared: dict[str, Any], findings: Findings) -> Node | None:
    """What ``layer`` extends, where that stands in this file."""
    extends = layer.value.get("extends")
    if extends is None:
        return None
    path = (*layer.path, "extends")
    if isinstance(extends, dict) and extends.get("file") is not None:
        findings.note(
            path,
            "`extends` of another file is not followed",
            "import what `docker compose config --no-interpolate` prints, which has all in one",
        )
        return None
    name = extends.get("service") if isinstance(extends, dict) else extends
    if not isinstance(name, str) or name not in declared:
        findings.refuse(path, "`extends` names no service of this file")
        return None
    return Node(declared[name], ("services", name))


def _within(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
