"""Which tier a call for the model `auto` goes to."""

from __future__ import annotations

import pytest

from sutazai.fleet.serving import AUTO_RULES, AutoRule
from sutazai.gateway.backends.auto import NEWEST_MAX, Prompt, choose


def prompt(newest: str = "hello", *, length: int | None = None, tools: bool = False) -> Prompt:
    return Prompt(len(newest) if length is None else length, newest, tools)


@pytest.mark.parametrize(
    ("asked", "tier", "reason"),
    [
        (prompt(length=20_000), "complex", "longer than 12000 characters"),
        (prompt("Please REFACTOR this"), "complex", "says 'refactor'"),
        (prompt("think step by step"), "complex", "says 'step by step'"),
        (
            prompt("Translate: cat"),
            "fast",
            "shorter than 400 characters, has no tools, says 'translate'",
        ),
        (prompt("Translate: cat", tools=True), "standard", "no rule holds"),
        (prompt("translate " + "x" * 500), "standard", "no rule holds"),
        (prompt("good morning"), "standard", "no rule holds"),
    ],
)
def test_the_usual_rules(asked: Prompt, tier: str, reason: str) -> None:
    assert choose(AUTO_RULES, asked) == (tier, reason)


def test_a_word_within_a_word_does_not_count() -> None:
    assert choose(AUTO_RULES, prompt("improve my manners"))[0] == "standard"
    assert choose(AUTO_RULES, prompt("this proves it"))[0] == "complex"


def test_the_first_rule_that_holds_counts() -> None:
    rules = (AutoRule(tier="a", words=("x",)), AutoRule(tier="b"), AutoRule(tier="c"))
    assert choose(rules, prompt("x"))[0] == "a"
    assert choose(rules, prompt("y")) == ("b", "it is the rule for all")


def test_rules_on_tools() -> None:
    rules = (AutoRule(tier="agentic", tools=True),)
    assert choose(rules, prompt(tools=True)) == ("agentic", "has tools")
    assert choose(rules, prompt())[0] == "standard"


def test_the_reason_fits_into_a_header() -> None:
    _, reason = choose((AutoRule(tier="a", words=("prüfe\n",)),), prompt("Prüfe\n das"))
    assert reason.isascii() and reason.isprintable()


def test_a_newest_turn_without_end_is_looked_at_to_a_bound() -> None:
    late = prompt(" " * NEWEST_MAX + "refactor", length=1)
    assert choose((AutoRule(tier="a", words=("refactor",)),), late)[0] == "standard"
