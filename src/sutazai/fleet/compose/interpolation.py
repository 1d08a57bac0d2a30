"""``$VAR`` and ``${VAR:-default}`` of Compose: what they are, and how a fleet file says them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sutazai.fleet.compose.secrecy import is_secret_name

DEPTH_MAX = 8

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


@dataclass(frozen=True)
class Variable:
    """``${name}``, or with an operator as ``:-`` and what follows it."""

    name: str
    operator: str = ""
    operand: str = ""

    @property
    def has_default(self) -> bool:
        """Whether it stands for its operand where it is not set."""
        return self.operator in (":-", "-")

    @property
    def is_alternative(self) -> bool:
        """Whether it stands for its operand where it *is* set."""
        return self.operator in (":+", "+")


Part = str | Variable


@dataclass(frozen=True)
class Written:
    """A text with its variables dealt with.

    Args:
        text: what it became.
        variables: names that it still refers to.
        defaulted: names that had a default.
    """

    text: str
    variables: tuple[str, ...] = ()
    defaulted: tuple[str, ...] = ()


def parts(text: str) -> list[Part]:
    """Literal texts, ``$$`` undone, and variables in turn.

    Raises ValueError for a ``${`` that is none, without the text itself.
    """
    found: list[Part] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        found.append(text[at:dollar])
        part, at = _at_dollar(text, dollar)
        found.append(part)
    return [part for part in _joined([*found, text[at:]]) if part != ""]


def as_references(text: str) -> Written:
    """For where a fleet file resolves ``${VAR}``: defaults fall away. Raises ValueError."""
    found = parts(text)
    written = ""
    for part in found:
        if isinstance(part, str):
            written += part.replace("${", "$${")
            continue
        if part.is_alternative:
            raise ValueError(f"a fleet file has nothing like `${{{part.name}{part.operator}…}}`")
        if written.endswith("$"):
            raise ValueError(f"a fleet file cannot say `$` just before `${{{part.name}}}`")
        written += f"${{{part.name}}}"
    variables = [part for part in found if isinstance(part, Variable)]
    return Written(
        written,
        tuple(dict.fromkeys(one.name for one in variables)),
        tuple(dict.fromkeys(one.name for one in variables if one.has_default)),
    )


def with_defaults(text: str) -> Written:
    """For where a fleet file resolves nothing: defaults take the variables' place.

    A variable without a default, or one that seems to be a secret, stays ``${VAR}``.
    Raises ValueError.
    """
    written = ""
    left: list[str] = []
    used: list[str] = []
    for part in parts(text):
        if isinstance(part, str):
            written += part
        elif part.has_default and not is_secret_name(part.name):
            inner = with_defaults(part.operand)
            written += inner.text
            used += [part.name, *inner.defaulted]
            left += inner.variables
        else:
            written += f"${{{part.name}}}"
            left.append(part.name)
    return Written(written, tuple(dict.fromkeys(left)), tuple(dict.fromkeys(used)))


def guessed(text: str) -> str:
    """``text`` with its defaults, as far as that can be done: to look at, not to write."""
    try:
        return with_defaults(text).text
    except ValueError:
        return text


def _at_dollar(text: str, at: int) -> tuple[Part, int]:
    """What the dollar at ``at`` begins, and where it ends."""
    if text.startswith("$$", at):
        return "$", at + 2
    if text.startswith("${", at):
        end = _closing(text, at + 2)
        return _braced(text[at + 2 : end]), end + 1
    if name := NAME.match(text, at + 1):
        return Variable(name[0]), name.end()
    return "$", at + 1


def _closing(text: str, start: int) -> int:
    """Where the brace is closed that was opened just before ``start``."""
    depth = 1
    for at in range(start, len(text)):
        if text.startswith("${", at):
            depth += 1
        elif text[at] == "}":
            depth -= 1
        if depth == 0:
            return at
        if depth > DEPTH_MAX:
            raise ValueError(f"`${{` nests deeper than {DEPTH_MAX} levels")
    raise ValueError("a `${` is never closed")


def _braced(inner: str) -> Variable:
    name = NAME.match(inner)
    if name is None:
        raise ValueError("a `${` is not followed by the name of a variable")
    rest = inner[name.end() :]
    for operator in _OPERATORS:
        if rest.startswith(operator):
            return Variable(name[0], operator, rest[len(operator) :])
    if rest:
        raise ValueError(f"after `${{{name[0]}` stands neither `}}` nor an operator that is known")
    return Variable(name[0])


def _joined(found: list[Part]) -> list[Part]:
    """Neighbouring literals as one."""
    joined: list[Part] = []
    for part in found:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined
