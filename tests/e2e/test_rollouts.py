"""A fleet under load moves to another version: a good one is taken, an ill one goes back by itself.

Of every request it is known which version answered it. A version that is ill may fail the requests
that it got; before it gets any, and after it has gone back, none fails.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.rollouts import RolloutState, Step
from tests.e2e.faults import Model
from tests.e2e.fleet import eventually
from tests.e2e.rolling import GOOD, SWIFT, Load, Rolling, rolling

AGENTS = [f"agent-{number}" for number in range(3)]
LIMITS = {"temperature": "hot", "memory": "64MiB", "cpu": 0.01}
RATE = 40.0
"""Requests a second, to all agents together."""
AT_ONCE = {**SWIFT, "phases": [{"percent": 100, "for": "9s"}]}
ASKS = {**AT_ONCE, "no_traffic": "ask", "validate": "1h"}
WATCHED = (Step.MEASURE, Step.INCONCLUSIVE)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rolling]:
    """Three agents that ask a model, and a program with a door of its own."""
    model = Model()
    model.script(tokens=["word "] * 4)
    python: dict[str, Any] = {"class": "versions:Versioned", **LIMITS}
    program = {"runtime": "command", "command": [sys.executable, "program.py", "{port}"], **LIMITS}
    agents = {**dict.fromkeys(AGENTS, python), "program": program}
    try:
        with rolling(tmp_path_factory.mktemp("rolling"), model.url, agents) as found:
            yield found
    finally:
        model.kill()


@pytest.fixture
def load(fleet: Rolling) -> Iterator[Load]:
    """Requests to all of them, without pause. In the end every one of them has ended."""
    with Load(fleet.fleet, rate=RATE) as found:
        answers_come_from(fleet, found, fleet.version)
        yield found
    assert not found.ledger.open


def answers_come_from(fleet: Rolling, load: Load, version: str) -> None:
    """From now on every agent answers with that version, every time."""
    since = last_change(fleet)
    eventually(lambda: len(load.ledger.since(since)) > 10 * RATE / 4, 30, "requests are answered")
    answers = load.ledger.since(since)
    assert {one.version for one in answers} == {version}, load.ledger.failed(since)
    assert {one.agent for one in answers} == {*AGENTS, "program"}


def last_change(fleet: Rolling) -> float:
    """When the last rollout ended; 0 where there was none."""
    told = ask_control(fleet.fleet, "GET", "/rollouts")
    return float(told[0]["state"]["since"]) if told else 0.0
