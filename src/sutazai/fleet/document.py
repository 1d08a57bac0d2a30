"""YAML text to plain data, with the place of each key and value.

Scalars mean what the core schema of YAML 1.2 says (so ``yes`` and ``on`` are text); anchors,
aliases and ``<<`` work, other tags are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.positions import Path, Place, Positions, shown
from sutazai.fleet.problems import Problem
from sutazai.fleet.yaml_nodes import (
    DEPTH_MAX,
    NODES_MAX,
    Alias,
    Content,
    Mapping,
    Node,
    Scalar,
    Sequence,
    bad_yaml,
    read_nodes,
    too_deep,
    too_large,
)

MERGE = "<<"
DIGITS_MAX = 18

_STANDARD = "tag:yaml.org,2002:"
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Document:
    """What a file says: JSON-like data, where it says it, and what is wrong with its YAML."""

    data: Any
    positions: Positions
    problems: tuple[Problem, ...]


def read_document(text: str, file: str) -> Document:
    """The data of ``text``. Raises BadFleet where it cannot be read to its end."""
    root = read_nodes(text, file)
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text):
        raise bad_yaml(file, (1, 1), "the file is empty", "`sutazai init` writes one to start from")
    reader = _Reader(file)
    data = reader.read(root)
    positions = Positions(file, reader.keys, reader.values)
    return Document(data, positions, tuple(reader.problems))


class _Reader:
    """Turns nodes into data, with what an alias stands for at each place that uses it."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self.problems: list[Problem] = []

    def read(self, root: Node) -> Any:
        self.values[()] = root.place
        return self._value(root, ())

    def _value(self, node: Node, path: Path) -> Any:
        self._bound(node.place, len(path))
        target = _meant(node)
        if isinstance(target, Scalar):
            self.values[path] = node.place
            return self._scalar(target)
        if target.flow or node is not target:
            self.values[path] = node.place
        self._check_tag(target)
        if isinstance(target, Sequence):
            return [self._item(item, (*path, at)) for at, item in enumerate(target.items)]
        return self._mapping(target, path)

    def _item(self, node: Node, path: Path) -> Any:
        self.keys[path] = node.place
        return self._value(node, path)

    def _mapping(self, node: Mapping, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for name, (place, value) in self._pairs(node, 0).items():
            self.keys[(*path, name)] = place
            data[name] = self._value(value, (*path, name))
        return data

    def _pairs(self, node: Mapping, depth: int) -> dict[str, tuple[Place, Node]]:
        """Keys with their places and values; a key of its own beats a merged one."""
        own: dict[str, tuple[Place, Node]] = {}
        merged: dict[str, tuple[Place, Node]] = {}
        for key, value in zip(node.items[::2], node.items[1::2], strict=True):
            self._bound(key.place, depth)
            if _is_merge(key):
                self._merge(value, merged, depth + 1)
            else:
                self._own(key, value, own)
        return {**merged, **own}

    def _merge(self, value: Node, merged: dict[str, tuple[Place, Node]], depth: int) -> None:
        for source in self._sources(value):
            for name, pair in self._pairs(source, depth).items():
                merged.setdefault(name, pair)

    def _own(self, key: Node, value: Node, own: dict[str, tuple[Place, Node]]) -> None:
        name = self._key(key)
        if name in own:
            first = own[name][0][0]
            self._complain(key, f"`{shown(name)}` stands here twice; first on line {first}")
        elif name is not None:
            own[name] = (key.place, value)

    def _key(self, node: Node) -> str | None:
        target = _meant(node)
        if not isinstance(target, Scalar):
            self._complain(node, "a key must be a text", "write `key: value`")
            return None
        self._check_tag(target)
        return self._text(target)

    def _sources(self, value: Node) -> Iterator[Mapping]:
        target = _meant(value)
        for item in target.items if isinstance(target, Sequence) else [target]:
            source = _meant(item)
            if isinstance(source, Mapping):
                yield source
            else:
                self._complain(value, "`<<` merges keys with values", "write `<<: *name`")

    def _scalar(self, node: Scalar) -> Any:
        self._check_tag(node)
        if not node.plain or node.tag:
            return self._text(node)
        if node.text in _WORDS:
            return _WORDS[node.text]
        if _INTEGER.fullmatch(node.text):
            return self._integer(node)
        return self._number(node)

    def _integer(self, node: Scalar) -> int | str:
        if len(node.text) > DIGITS_MAX:
            self._complain(node, "this number is too large", "quote it if it is a text")
            return node.text
        return int(node.text, 0) if node.text[1:2] in ("o", "x") else int(node.text)

    def _number(self, node: Scalar) -> float | str:
        number = float(node.text) if _NUMBER.fullmatch(node.text) else None
        if _NOT_FINITE.fullmatch(node.text) or (number is not None and math.isinf(number)):
            self._complain(node, "a number must be finite", "quote it if it is a text")
            return node.text
        return node.text if number is None else number

    def _check_tag(self, node: Content) -> None:
        allowed = {Scalar: "str", Sequence: "seq", Mapping: "map"}[type(node)]
        if node.tag and node.tag not in ("!", _STANDARD + allowed):
            tag = shown(node.tag.replace(_STANDARD, "!!"))
            self._complain(node, f"the tag {tag} means nothing in a fleet file", "remove it")

    def _text(self, node: Scalar) -> str:
        try:
            node.text.encode()
        except UnicodeEncodeError:
            self._complain(node, "an escape here is half a character", "write the character itself")
            return node.text.encode(errors="replace").decode()
        return node.text

    def _complain(self, node: Node, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(self._file, *node.place, "", message, hint))

    def _bound(self, place: Place, depth: int) -> None:
        self._count += 1
        if self._count > NODES_MAX:
            raise too_large(self._file, place)
        if depth > DEPTH_MAX:
            raise too_deep(self._file, place)


def _meant(node: Node) -> Content:
    return node.target if isinstance(node, Alias) else node


def _is_merge(key: Node) -> bool:
    return isinstance(key, Scalar) and key.plain and key.text == MERGE
