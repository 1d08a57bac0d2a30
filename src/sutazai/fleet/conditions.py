"""A small language of comparisons, as `${steps.review.output.score} >= 8 and ${input.hard}`. Pure.

::

    either     = both {"or" both}
    both       = negation {"and" negation}
    negation   = "not" negation | comparison
    comparison = operand [("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") operand]
    operand    = "${" path "}" | number | text | "true" | "false" | "null" | "(" either ")"

Texts stand in single or double quotes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.errors import BadInput
from sutazai.fleet.templates import Path, Scope, as_text, look_up, parse_path

LONGEST = 500
DEEPEST = 20

_TOKEN = re.compile(
    r"\s*(?:\$\{(?P<path>[^}]*)\}|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])"
    r"|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\""
    r"|(?P<sign>==|!=|<=|>=|<|>|\(|\))|(?P<word>[a-z]+)\b)"
)
_WORDS = {"true": True, "false": False, "null": None}
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_COMPARISONS = ("==", "!=", *_ORDERS, "in")


@dataclass(frozen=True)
class Literal:
    """A value that stands in the condition itself."""

    value: Any


@dataclass(frozen=True)
class Lookup:
    """A value that a path leads to."""

    path: Path


@dataclass(frozen=True)
class Operation:
    """`and`, `or`, `not`, or a comparison of its parts."""

    name: str
    parts: tuple[Condition, ...]


Condition = Literal | Lookup | Operation


def parse_condition(text: str) -> Condition:
    """The condition that ``text`` says. Raises ValueError."""
    if len(text) > LONGEST:
        raise ValueError(f"a condition has {LONGEST} characters at most")
    parser = _Parser(list(_tokens(text)))
    condition = parser.either()
    parser.expect("end")
    return condition


def paths_of(condition: Condition) -> Iterator[Path]:
    """Every path in a condition."""
    if isinstance(condition, Lookup):
        yield condition.path
    elif isinstance(condition, Operation):
        for part in condition.parts:
            yield from paths_of(part)


def holds(condition: Condition, scope: Scope) -> bool:
    """Whether it is true; null is not. Raises BadInput for what is neither true nor false."""
    value = _value(condition, scope)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise BadInput(
        f"a condition gave {as_text(value):.40}, which is neither true nor false",
        hint="compare it with something: ==, !=, <, <=, >, >=, in",
    )


def _value(condition: Condition, scope: Scope) -> Any:
    if isinstance(condition, Literal):
        return condition.value
    if isinstance(condition, Lookup):
        return look_up(condition.path, scope)
    if condition.name == "and":
        return all(holds(part, scope) for part in condition.parts)
    if condition.name == "or":
        return any(holds(part, scope) for part in condition.parts)
    if condition.name == "not":
        return not holds(condition.parts[0], scope)
    left, right = (_value(part, scope) for part in condition.parts)
    return _compared(condition.name, left, right)


def _compared(name: str, left: Any, right: Any) -> bool:
    if name in ("==", "!="):
        same = isinstance(left, bool) == isinstance(right, bool) and bool(left == right)
        return same == (name == "==")
    if name == "in" and isinstance(right, list | Mapping):
        return any(_compared("==", left, each) for each in right)
    if name == "in" and isinstance(left, str) and isinstance(right, str):
        return left in right
    if name in _ORDERS and _are_ordered(left, right):
        return _ORDERS[name](left, right)
    raise BadInput(f"{as_text(left):.40} `{name}` {as_text(right):.40} cannot be compared")


def _are_ordered(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    return any(isinstance(left, k) and isinstance(right, k) for k in (str, int | float))


_Token = tuple[str, Any]


def _tokens(text: str) -> Iterator[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"`{text[at:].strip()}` is not understood; texts stand in quotes")
        at = match.end()
        yield _token(str(match.lastgroup), match[str(match.lastgroup)])
    yield "end", None


def _token(kind: str, text: str) -> _Token:
    if kind == "path":
        return "operand", Lookup(parse_path(text))
    if kind == "number":
        return "operand", Literal(float(text) if "." in text else int(text))
    if kind in ("single", "double"):
        return "operand", Literal(text)
    if kind == "word" and text in _WORDS:
        return "operand", Literal(_WORDS[text])
    if kind == "word" and text not in ("and", "or", "not", "in"):
        raise ValueError(f"`{text}` is not understood; a text stands in quotes, a path in ${{…}}")
    return text, text


class _Parser:
    """Reads tokens by the rules above."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def either(self) -> Condition:
        return self._chain("or", lambda: self._chain("and", self._negation))

    def expect(self, kind: str) -> Any:
        found, value = self._tokens[self._at]
        if found != kind:
            seen = "the end" if found == "end" else f"`{_shown(value)}`"
            raise ValueError(f"{'a value' if kind == 'operand' else kind} was expected, not {seen}")
        self._at += 1
        return value

    def _next_is(self, *kinds: str) -> bool:
        return self._tokens[self._at][0] in kinds

    def _chain(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self._next_is(word):
            self.expect(word)
            parts.append(part())
        return parts[0] if len(parts) == 1 else Operation(word, tuple(parts))

    def _negation(self) -> Condition:
        if not self._next_is("not"):
            return self._comparison()
        self.expect("not")
        return Operation("not", (self._deeper(self._negation),))

    def _comparison(self) -> Condition:
        left = self._operand()
        if not self._next_is(*_COMPARISONS):
            return left
        name = self.expect(self._tokens[self._at][0])
        return Operation(name, (left, self._operand()))

    def _operand(self) -> Condition:
        if not self._next_is("("):
            value: Condition = self.expect("operand")
            return value
        self.expect("(")
        inner = self._deeper(self.either)
        self.expect(")")
        return inner

    def _deeper(self, part: Callable[[], Condition]) -> Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels of brackets")
        found = part()
        self._depth -= 1
        return found


def _shown(value: Any) -> str:
    if isinstance(value, Lookup):
        return f"${{{'.'.join(value.path)}}}"
    return as_text(value.value) if isinstance(value, Literal) else str(value)
