"""Which tier a call for the model `auto` goes to, by rules on the prompt's looks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from sutazai.fleet.serving import AutoRule

AUTO = "auto"
"""The name to ask for."""

ELSE = "standard"
"""The tier where no rule holds."""

NEWEST_MAX = 20_000
"""Characters of the newest turn that are looked at."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the rules look at.

    Args:
        length: of the whole prompt, in characters.
        newest: the text of the newest turn.
        tools: whether tools come with it.
    """

    length: int
    newest: str
    tools: bool


def choose(rules: Iterable[AutoRule], prompt: Prompt) -> tuple[str, str]:
    """The tier of the first rule that holds, and why, in words of ASCII that fit into a header."""
    newest = prompt.newest[:NEWEST_MAX].lower()
    for rule in rules:
        reasons = _reasons(rule, prompt, newest)
        if reasons is not None:
            return rule.tier, ", ".join(reasons) or "it is the rule for all"
    return ELSE, "no rule holds"


def _reasons(rule: AutoRule, prompt: Prompt, newest: str) -> list[str] | None:
    """Why ``rule`` holds, None where it does not."""
    reasons = []
    if rule.longer_than is not None:
        if prompt.length <= rule.longer_than:
            return None
        reasons.append(f"longer than {rule.longer_than} characters")
    if rule.shorter_than is not None:
        if prompt.length >= rule.shorter_than:
            return None
        reasons.append(f"shorter than {rule.shorter_than} characters")
    if rule.tools is not None:
        if prompt.tools is not rule.tools:
            return None
        reasons.append("has tools" if rule.tools else "has no tools")
    if rule.words:
        found = _pattern(rule.words).search(newest)
        if found is None:
            return None
        reasons.append(f"says {found[0]!a}")
    return reasons


@lru_cache(maxsize=256)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Finds one of ``words`` where a word begins: `prove` in `proves`, not in `improve`."""
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(word.lower()) for word in words) + ")")
