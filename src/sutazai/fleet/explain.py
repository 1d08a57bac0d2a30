"""pydantic's errors in plain words: one table of what each means, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from sutazai.fleet.ids import NAME_MAX, NAME_PATTERN
from sutazai.fleet.positions import Path, Positions, shown
from sutazai.fleet.problems import Problem
from sutazai.fleet.spec import Fleet

FEW = 40
"""More keys than this are not listed in a hint."""

NAME_RULE = "lower-case letters, digits and single dashes, a letter first"

_SECTIONS = {
    "agents": "agent",
    "services": "service",
    "backends": "backend",
    "tiers": "tier",
    "clients": "client",
    "schedules": "schedule",
}


@dataclass(frozen=True)
class _Wrong:
    """One of pydantic's errors, ready to be put in words."""

    kind: str
    path: Path
    at_key: bool
    value: Any
    context: Mapping[str, Any]
    root: type[BaseModel]

    @property
    def key(self) -> str:
        """The key it is about; an item of a list is spoken of by the list's name."""
        names = [part for part in self.path if isinstance(part, str)]
        return shown(names[-1]) if names else "the file"


def explain(
    errors: Iterable[ErrorDetails], positions: Positions, *, root: type[BaseModel] = Fleet
) -> list[Problem]:
    """One problem for each place that is wrong, in plain words; ``root`` is what the file is."""
    wrongs = [_wrong(error, root) for error in errors]
    return [
        positions.problem(wrong.path, _message(wrong), hint=_hint(wrong), at_key=wrong.at_key)
        for wrong in wrongs
    ]


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """``did you mean `planner`?``, or None where nothing known is like ``name``."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name.lower(), known, n=1)
    close = close or [each for each in known if len(name) > 2 and each.startswith(name.lower())]
    return f"did you mean `{close[0]}`?" if close else None


def kind_of(value: object) -> str:
    """What ``value`` is, in words: ``text``, ``a list``."""
    kinds: dict[type, str] = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "keys with values",
    }
    return kinds.get(type(value), "nothing")


def _wrong(error: ErrorDetails, root: type[BaseModel]) -> _Wrong:
    path, context = error["loc"], error.get("ctx", {})
    at_key = error["type"] in ("extra_forbidden", "missing")
    if path and path[-1] == "[key]":
        path, at_key = path[:-1], True
    if error["type"] == "wrong":
        path = (*path, context["key"])
    return _Wrong(error["type"], path, at_key, error["input"], context, root)


def _message(wrong: _Wrong) -> str:
    words = _WORDS.get(wrong.kind)
    return words(wrong) if words else f"`{wrong.key}`: {wrong.kind.replace('_', ' ')}"


def _not_a(expected: str) -> Callable[[_Wrong], str]:
    return lambda wrong: f"`{wrong.key}` must be {expected}, not {kind_of(wrong.value)}"


def _bound(words: str, bound: str) -> Callable[[_Wrong], str]:
    def message(wrong: _Wrong) -> str:
        value = f"{wrong.value:g}" if isinstance(wrong.value, float) else wrong.value
        return f"`{wrong.key}` must be {words} {wrong.context[bound]:g}, not {value}"

    return message


def _choice(wrong: _Wrong) -> str:
    value = f"`{shown(wrong.value)}`" if isinstance(wrong.value, str) else kind_of(wrong.value)
    expected = str(wrong.context["expected"]).replace("'", "")
    if wrong.at_key:
        return f"{value} is none of {expected}"
    return f"`{wrong.key}` must be {expected}, not {value}"


def _pattern(wrong: _Wrong) -> str:
    if wrong.context["pattern"] == NAME_PATTERN:
        return f"`{shown(str(wrong.value))}` cannot be a name"
    return f"`{wrong.key}` must be written `module:Class`, not `{shown(str(wrong.value))}`"


def _tag(wrong: _Wrong) -> str:
    """The key that says which of several kinds something is."""
    key, context = str(wrong.context["discriminator"]).strip("'"), wrong.context
    if "tag" not in context:
        return f"`{key}` is missing in {_whole(wrong.path)}"
    expected = str(context["expected_tags"]).replace("'", "")
    return f"`{key}` must be one of {expected}, not `{shown(str(context['tag']))}`"


def _missing(wrong: _Wrong) -> str:
    return f"`{wrong.key}` is missing in {_whole(wrong.path[:-1])}"


def _unknown(wrong: _Wrong) -> str:
    return f"unknown key `{wrong.key}` in {_whole(wrong.path[:-1])}"


_WORDS: dict[str, Callable[[_Wrong], str]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_type": _not_a("text"),
    "int_type": _not_a("a whole number"),
    "float_type": _not_a("a number"),
    "bool_type": _not_a("true or false"),
    "tuple_type": _not_a("a list"),
    "dict_type": _not_a("keys with values"),
    "model_type": _not_a("keys with values"),
    "enum": _choice,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _tag,
    "literal_error": _choice,
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("below", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "string_pattern_mismatch": _pattern,
    "string_too_long": lambda wrong: f"`{shown(str(wrong.value))}` is too long for a name",
    "value_error": lambda wrong: f"`{wrong.key}`: {wrong.context['error']}",
    "wrong": lambda wrong: str(wrong.context["message"]),
}


def _hint(wrong: _Wrong) -> str | None:
    hint = _HINTS.get(wrong.kind)
    return hint(wrong) if hint else None


def _quote_it(wrong: _Wrong) -> str | None:
    return "put it in quotes" if isinstance(wrong.value, (bool, int, float)) else None


def _unquote_it(wrong: _Wrong) -> str | None:
    looks_right = isinstance(wrong.value, str) and wrong.value.strip().isdigit()
    return "write it without quotes" if looks_right else None


def _list_it(wrong: _Wrong) -> str | None:
    return "write it as a list: `[one, two]`" if isinstance(wrong.value, str) else None


def _name_it(wrong: _Wrong) -> str | None:
    if wrong.context.get("pattern") == NAME_PATTERN:
        return f"a name is {NAME_RULE}, as my-agent"
    return None


def _nearest_choice(wrong: _Wrong) -> str | None:
    if not isinstance(wrong.value, str):
        return None
    expected = str(wrong.context["expected"]).replace(" or ", ", ").split(", ")
    return did_you_mean(wrong.value, [choice.strip("'") for choice in expected])


def _allowed_keys(wrong: _Wrong) -> str | None:
    model = _model_at(wrong.root, wrong.path[:-1])
    if model is None:
        return None
    known = [field.alias or name for name, field in model.model_fields.items()]
    few = f"known are {', '.join(known)}" if len(known) <= FEW else None
    return did_you_mean(str(wrong.path[-1]), known) or few or "docs/fleet-file.md lists its keys"


_HINTS: dict[str, Callable[[_Wrong], str | None]] = {
    "missing": lambda wrong: f"add `{wrong.key}: …`",
    "extra_forbidden": _allowed_keys,
    "string_type": _quote_it,
    "int_type": _unquote_it,
    "float_type": _unquote_it,
    "tuple_type": _list_it,
    "enum": _nearest_choice,
    "literal_error": _nearest_choice,
    "string_pattern_mismatch": _name_it,
    "string_too_long": lambda _: f"a name has at most {NAME_MAX} characters",
}


def _whole(path: Path) -> str:
    """What the keys at ``path`` belong to: ``agent `planner` ``, ```health` of agent `x` ``."""
    if not path:
        return "the fleet"
    if len(path) == 1:
        return f"`{path[0]}`"
    around = path[:-1]
    if len(path) == 2 and path[0] in _SECTIONS:
        return f"{_SECTIONS[str(path[0])]} `{shown(str(path[1]))}`"
    last = path[-1]
    item = f"item {last + 1}" if isinstance(last, int) else f"`{shown(last)}`"
    return f"{item} of {_whole(around)}"


def _model_at(root: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model that says which keys are allowed at ``path``; None in a list, whose items may be of
    several kinds."""
    model: Any = root
    for part in path:
        if isinstance(part, int):
            return None
        if get_origin(model) is dict:
            model = get_args(model)[1]
        else:
            by_key = {field.alias or name: field for name, field in model.model_fields.items()}
            model = by_key[str(part)].annotation
    found: type[BaseModel] = model
    return found
