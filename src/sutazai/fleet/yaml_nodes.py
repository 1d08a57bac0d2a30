"""YAML text to a tree of nodes, each with its place, bounded in size and depth.

ruamel.yaml reads the text as a stream of events; the tree is built here instead of by its
composer, because that recurses as deep as the text nests and forgets where an alias stood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from sutazai.fleet.errors import BadFleet
from sutazai.fleet.positions import Place, shown
from sutazai.fleet.problems import Problem, bad_fleet

NODES_MAX = 100_000
DEPTH_MAX = 32


@dataclass
class _Placed:
    """``tag`` is what stands as ``!tag`` before it, in full, or None."""

    place: Place
    tag: str | None


@dataclass
class Scalar(_Placed):
    """``plain`` is one without quotes, whose text may mean a number."""

    text: str
    plain: bool


@dataclass
class Sequence(_Placed):
    flow: bool
    items: list[Node] = field(default_factory=list)


@dataclass
class Mapping(_Placed):
    """``items`` are keys and values in turn."""

    flow: bool
    items: list[Node] = field(default_factory=list)


@dataclass
class Alias(_Placed):
    """``*name``: ``target`` is what ``&name`` named."""

    target: Content


Content = Scalar | Sequence | Mapping
Node = Content | Alias


def read_nodes(text: str, file: str) -> Node | None:
    """The only document of ``text``, or None where there is none.

    Raises BadFleet for what is not YAML, is several documents, is too large or nests too deep.
    """
    composer = _Composer(file)
    for event in _events(text, file):
        composer.take(event)
    return composer.root


def bad_yaml(file: str, place: Place, message: str, hint: str | None = None) -> BadFleet:
    """The error for text that cannot be read any further."""
    return bad_fleet([Problem(file, *place, "", message, hint)])


class _Composer:
    """Takes events one by one; ``root`` is the finished tree."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[Sequence | Mapping] = []
        self._anchors: dict[str, Content] = {}
        self._nodes = 0
        self._documents = 0
        self.root: Node | None = None

    def take(self, event: Any) -> None:
        if isinstance(event, NodeEvent):
            self._add(event)
        elif isinstance(event, (SequenceEndEvent, MappingEndEvent)):
            self._open.pop()
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise bad_yaml(
                    self._file, place_of(event.start_mark), "a fleet file is one document only"
                )

    def _add(self, event: NodeEvent) -> None:
        node = self._node(event)
        self._bound(node)
        if self._open:
            self._open[-1].items.append(node)
        else:
            self.root = node
        if event.anchor and not isinstance(node, Alias):
            self._anchors[event.anchor] = node
        if isinstance(node, (Sequence, Mapping)):
            self._open.append(node)

    def _node(self, event: Any) -> Node:
        place = place_of(event.start_mark)
        if isinstance(event, AliasEvent):
            return Alias(place, None, self._target(event.anchor, place))
        if isinstance(event, ScalarEvent):
            return Scalar(place, event.tag, event.value, event.style is None)
        if isinstance(event, SequenceStartEvent):
            return Sequence(place, event.tag, bool(event.flow_style))
        return Mapping(place, event.tag, bool(event.flow_style))

    def _target(self, anchor: str, place: Place) -> Content:
        target = self._anchors.get(anchor)
        name = shown(anchor)
        if target is None:
            raise bad_yaml(
                self._file, place, f"`*{name}` stands for nothing", f"mark what it means: &{name}"
            )
        if any(target is node for node in self._open):
            raise bad_yaml(self._file, place, f"`*{name}` stands within what it stands for")
        return target

    def _bound(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise too_large(self._file, node.place)
        if len(self._open) >= DEPTH_MAX:
            raise too_deep(self._file, node.place)


def too_large(file: str, place: Place) -> BadFleet:
    return bad_yaml(
        file,
        place,
        f"the file holds more than {NODES_MAX:,} keys and values",
        "anchors count each time that they are used",
    )


def too_deep(file: str, place: Place) -> BadFleet:
    return bad_yaml(file, place, f"this nests deeper than {DEPTH_MAX} levels")


def place_of(mark: Any) -> Place:
    """ruamel's 0-based mark, counted from 1."""
    return mark.line + 1, mark.column + 1


def _events(text: str, file: str) -> Iterator[Any]:
    place = (1, 1)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            place = place_of(event.end_mark)
            yield event
    except MarkedYAMLError as error:
        mark = _telling_mark(error)
        raise _translated(file, place_of(mark) if mark else place, error) from error
    except ReaderError as error:
        raise bad_yaml(
            file,
            _place_at(text, error.position),
            "a control character stands here",
            "remove it, or write it as an escape in double quotes",
        ) from error
    except YAMLError as error:
        raise bad_yaml(file, place, f"this is not YAML: {shown(str(error))}") from error
    except (ValueError, OverflowError) as error:
        # ruamel.yaml hands an escape as \U99999999 to chr() as it is.
        raise bad_yaml(file, place, "an escape near here is no character") from error


def _telling_mark(error: MarkedYAMLError) -> Any:
    """Where the reader should look: for what is never closed, where it was opened."""
    never_closed = error.context_mark and "stream" in str(error.problem)
    return error.context_mark if never_closed else error.problem_mark or error.context_mark


def _place_at(text: str, offset: int) -> Place:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


# What the scanner says, by a part of it, in words that say what to do.
_PLAIN_WORDS = (
    (r"'\t'", "a tab cannot indent or begin a value", "use spaces"),
    (
        "mapping values are not allowed",
        "a `:` cannot stand here",
        "indent keys of one block alike, and quote a text that holds `: `",
    ),
    (
        "cannot start any token",
        "this character cannot begin a value",
        "put the value in quotes",
    ),
    ("could not find expected ':'", "a `:` is missing after this key", "write `key: value`"),
    (
        "expected <block end>",
        "this does not line up with what is above it",
        "indent keys of one block alike",
    ),
    ("unexpected end of stream", "the closing quote is missing", None),
    ("expected ',' or ']'", "a `,` or the closing `]` is missing", None),
    ("expected ',' or '}'", "a `,` or the closing `}` is missing", None),
    ("unknown escape character", "this escape means nothing", r"write \\ for a backslash"),
)


def _translated(file: str, place: Place, error: MarkedYAMLError) -> BadFleet:
    said = str(error.problem or error.context)
    for part, message, hint in _PLAIN_WORDS:
        if part in said:
            return bad_yaml(file, place, message, hint)
    return bad_yaml(file, place, f"this is not YAML: {shown(said, 200)}")
