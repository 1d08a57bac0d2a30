"""Small fleets for the tests of this room, and a catalogue of three."""

from __future__ import annotations

from typing import Any

import pytest

from sutazai.fleet.checks import check_fleet
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.fit import Machine
from sutazai.fleet.load import LoadedFleet, parse
from sutazai.fleet.problems import Problem
from sutazai.fleet.spec import Fleet

GIB = 1024**3
LARGE = Machine(memory=256 * GIB, cores=128)

CATALOGUE: dict[str, dict[str, Any]] = {
    "chief": {
        "group": "top",
        "rank": "orchestrator",
        "prompt": "You lead.",
        "port": 10300,
        "temperature": "hot",
    },
    "boss": {"group": "team", "rank": "lead", "prompt": "You manage.", "port": 10301},
    "worker": {
        "group": "team",
        "lead": "boss",
        "prompt": "You work.",
        "port": 10302,
        "health": {"path": "/health", "interval": "20s"},
        "sampling": {"temperature": 0.3, "max_tokens": 100},
        "options": {"colour": "blue", "size": 3},
    },
}


def loaded(text: str) -> LoadedFleet:
    return parse(text, file="fleet.yaml", catalogue=CATALOGUE)


def fleet_of(text: str) -> Fleet:
    return loaded(text).fleet


def refusal(text: str) -> BadFleet:
    """The error with which ``text`` is refused."""
    with pytest.raises(BadFleet) as caught:
        loaded(text)
    return caught.value


def found(text: str, machine: Machine = LARGE) -> list[Problem]:
    """What the checks say of ``text``."""
    whole = loaded(text)
    return check_fleet(whole.fleet, machine, whole.positions)


def told(problems: list[Problem]) -> list[str]:
    """``severity line:column message (hint)`` of each, for comparing parts of it."""
    return [
        f"{each.severity} {each.line}:{each.column} {each.message} ({each.hint})"
        for each in problems
    ]
