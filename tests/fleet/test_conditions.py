"""Conditions and templates: what they say, what they refuse, and that nothing is executed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.conditions import DEEPEST, holds, parse_condition, paths_of
from sutazai.fleet.errors import BadInput
from sutazai.fleet.templates import fill, fill_text, paths_in

SCOPE: dict[str, Any] = {
    "n": 3,
    "text": "tea",
    "yes": True,
    "none": None,
    "list": ["tea", 1, {"deep": [0, 9]}],
}


@pytest.mark.parametrize(
    "text",
    [
        "${n} == 3",
        "${n} != '3'",
        "${n} >= 3 and ${n} < 3.5",
        "${n} > -1",
        "${yes}",
        "not ${none}",
        "not ${none.of.nothing}",
        "${none} == null",
        "not (${n} == 1 or ${n} == 2)",
        "${n} == 1 and ${n} == 2 or ${yes}",
        "${text} == 'tea' and ${text} == \"tea\"",
        "${text} < 'u'",
        "'ea' in ${text}",
        "${text} in ${list}",
        "not true in ${list}",
        "${list.2.deep.1} == 9",
        "${yes} != 1",
    ],
)
def test_a_condition_that_holds(text: str) -> None:
    condition = parse_condition(text)
    assert holds(condition, SCOPE)
    assert not holds(parse_condition(f"not ({text})"), SCOPE)
    assert all(path[0] in SCOPE for path in paths_of(condition))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a value was expected, not the end"),
        ("${n} = 3", "`= 3` is not understood"),
        ("${n} == tea", "`tea` is not understood; a text stands in quotes"),
        ("${n} == 3 3", "end was expected, not `3`"),
        ("${n} == 1 == 2", "end was expected, not `==`"),
        ("(${n}", "expected, not the end"),
        ("${}", "is no path"),
        ("${a..b}", "is no path"),
        ("__import__('os')", "is not understood"),
        ("true" + " or true" * 100, "500 characters at most"),
        ("(" * (DEEPEST + 1) + "true", "levels of brackets"),
        ("not " * (DEEPEST + 1) + "true", "levels of brackets"),
    ],
)
def test_what_is_no_condition_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_condition(text)
    assert why in str(caught.value)


@pytest.mark.parametrize("text", ["${n}", "${n} < 'a'", "${yes} < 1", "1 in ${n}", "${nothing}"])
def test_what_cannot_be_compared_is_an_error_and_not_false(text: str) -> None:
    with pytest.raises(BadInput):
        holds(parse_condition(text), SCOPE)


@given(st.text(alphabet="${}()=!<>'\"andortrue nul.0", max_size=60))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ValueError:
        return
    assert isinstance(list(paths_of(condition)), list)


def test_a_template_is_filled_wherever_it_has_holes() -> None:
    template = {"whole": "${list}", "part": "<${list}|${none}|${n}>", "plain": "$${n}", "n": 1}
    assert fill(template, SCOPE) == {
        "whole": SCOPE["list"],
        "part": '<["tea", 1, {"deep": [0, 9]}]||3>',
        "plain": "${n}",
        "n": 1,
    }
    assert fill_text("${n}-${text}", SCOPE, repr) == "3-'tea'"
    assert list(paths_in(template)) == [("list",), ("list",), ("none",), ("n",)]


def test_what_was_put_in_is_not_looked_at_again() -> None:
    assert fill("${a} ${b}", {"a": "${b}", "b": "$${a}"}) == "${b} $${a}"


@pytest.mark.parametrize(
    ("template", "hint"),
    [
        ("${list.tea}", "`list` is a list of 3"),
        ("${list.7}", "`list` is a list of 3"),
        ("${text.0}", "`text` is a text"),
        ("${list.2.shallow}", "`list.2` is an object with 'deep'"),
    ],
)
def test_a_path_to_nowhere_says_how_far_it_came(template: str, hint: str) -> None:
    with pytest.raises(BadInput) as caught:
        fill(template, SCOPE)
    assert caught.value.hint == hint


@pytest.mark.parametrize("template", ["${a", "${}", "${a b}", "${a.}", "${{a}}"])
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"no path|no `\}`"):
        list(paths_in(["", {"a": template}]))


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_goes_through_unchanged(before: str, value: str) -> None:
    before = before.replace("$", "")
    assert fill(before + "${v}", {"v": value}) == before + value
