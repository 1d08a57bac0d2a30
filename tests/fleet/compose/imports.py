"""Compose files for the tests of this package, and proof that what they become is a fleet."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from sutazai.fleet.checks import check_fleet
from sutazai.fleet.compose import BadCompose, Imported, convert
from sutazai.fleet.fit import Machine
from sutazai.fleet.load import parse
from sutazai.fleet.problems import refuse_errors
from sutazai.fleet.spec import Fleet

HERE = Path(__file__).parent
STACK = HERE / "stack.yml"
SMALL = HERE / "small.yml"
ORDINARY = Machine(memory=16 * 1024**3, cores=4)


def imported(text: str, agents: Collection[str] | None = None) -> Imported:
    """``text`` imported, after its fleet file was loaded and checked as `sutazai check` does."""
    result = convert(text, file="compose.yml", project="shop", agents=agents)
    fleet_of(result)
    return result


def fleet_of(result: Imported) -> Fleet:
    """The fleet of what was imported, as the real loader and the real checks accept it."""
    loaded = parse(result.text, file="fleet.yaml")
    refuse_errors(check_fleet(loaded.fleet, ORDINARY, loaded.positions))
    return loaded.fleet


def one(keys: str, name: str = "app") -> str:
    """A Compose file of one service, with ``keys`` in flow style beside its image."""
    return f"services:\n  {name}: {{image: acme/app, mem_limit: 256m, {keys}}}\n"


def told(result: Imported) -> list[str]:
    """``LINE message (hint)`` of each finding."""
    return [f"{each.line} {each.message} ({each.hint})" for each in result.findings]


def refusal(text: str) -> BadCompose:
    """The error with which ``text`` is refused."""
    with pytest.raises(BadCompose) as caught:
        convert(text, file="compose.yml", project="shop")
    return caught.value
