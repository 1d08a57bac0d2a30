"""A fleet under load moves to another version: a good one is taken, an ill one goes back by itself.

Of every request it is known which version answered it. A version that is ill may fail the requests
that it got; before it gets any, and after it has gone back, none fails.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sutazai.fleet.rollouts import RolloutState, Step
from tests.e2e.faults import Model
from tests.e2e.fleet import eventually
from tests.e2e.rolling import GOOD, SWIFT, Load, Rolling, rolling

pytestmark = pytest.mark.timeout(600)

AGENTS = [f"agent-{number}" for number in range(3)]
PROGRAM = "program"
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
    agents = {**dict.fromkeys(AGENTS, python), PROGRAM: program}
    try:
        with rolling(tmp_path_factory.mktemp("rolling"), model.url, agents) as found:
            yield found
    finally:
        model.kill()


@pytest.fixture
def load(fleet: Rolling) -> Iterator[Load]:
    """Requests to all of them, without pause. In the end every one of them has ended."""
    with Load(fleet.fleet, rate=RATE) as found:
        all_answer(fleet, found)
        yield found
    assert not found.ledger.open


def all_answer(fleet: Rolling, load: Load) -> None:
    """From now on every agent answers every request, with the version that is in force."""
    since = time.time()
    eventually(lambda: len(load.ledger.since(since)) > RATE, 30, "requests are answered")
    answers = load.ledger.since(since)
    assert {(one.version, one.words if not one.is_good else "") for one in answers} == {
        (fleet.version, "")
    }
    assert {one.agent for one in answers} == {*AGENTS, PROGRAM}


def goes_back(fleet: Rolling, load: Load, version: str) -> RolloutState:
    """How the rollout of a version ended that is to go back, with every agent as it was."""
    fleet.apply(version, rollout=AT_ONCE)
    state = fleet.end()
    assert state.step is Step.ROLLED_BACK, state.reason
    all_answer(fleet, load)
    assert not load.ledger.unanswered()
    return state


def promoted(fleet: Rolling) -> None:
    """A person takes every step as passed, to the end."""
    for step in (Step.MEASURE, Step.VALIDATE):
        fleet.until(step, Step.INCONCLUSIVE)
        fleet.tell("promote")
    assert fleet.end().step is Step.SUCCEEDED


@pytest.mark.soak
def test_a_good_version_is_taken_in_phases_and_nobody_notices(fleet: Rolling, load: Load) -> None:
    fleet.apply("better")
    state, _ = fleet.helped(within=300)
    assert state.step is Step.SUCCEEDED, state.reason
    steps = [one.step for one in state.history]
    assert steps.count(Step.SETTLE) == 2
    assert steps[-4:] == [Step.VALIDATE, Step.BAKE, Step.FINISH, Step.SUCCEEDED]
    fleet.version = "better"
    all_answer(fleet, load)
    assert not load.ledger.failed()
    assert {one.version for one in load.ledger.since(0)} >= {GOOD, "better"}


def test_a_version_that_crashes_goes_back(fleet: Rolling, load: Load) -> None:
    state = goes_back(fleet, load, "crashes-at-work")
    assert "guard `crash`" in state.failed


@pytest.mark.soak
def test_a_version_that_fails_goes_back(fleet: Rolling, load: Load) -> None:
    state = goes_back(fleet, load, "fails")
    assert "guard `errors`" in state.failed


@pytest.mark.soak
def test_a_canary_that_says_yes_and_does_nothing_goes_back(fleet: Rolling, load: Load) -> None:
    state = goes_back(fleet, load, "dead")
    assert "guard `dead-canary`" in state.failed and PROGRAM in state.failed


def test_control_dies_in_the_midst_of_it_and_another_one_is_refused(
    fleet: Rolling, load: Load
) -> None:
    number = fleet.apply("newer", rollout=ASKS)
    fleet.until(Step.MEASURE)
    second = fleet.fleet.cli("apply", str(fleet.fleet.file))
    assert second.returncode and f"rollout {number} moves agents" in second.stderr
    fleet.kill("control")
    fleet.until(*WATCHED)
    view = fleet.view()
    assert view is not None and view.number == number
    promoted(fleet)
    fleet.version = "newer"
    all_answer(fleet, load)
    assert not load.ledger.failed()


@pytest.mark.soak
def test_a_version_that_never_gets_up_is_asked_nothing(fleet: Rolling, load: Load) -> None:
    state = goes_back(fleet, load, "crashes-at-start")
    assert "crash" in state.failed or "not healthy" in state.failed
    assert not load.ledger.failed()


@pytest.mark.soak
def test_a_version_that_leaks_goes_back(fleet: Rolling, load: Load) -> None:
    state = goes_back(fleet, load, "leaks")
    assert "memory" in state.failed


@pytest.mark.soak
def test_a_version_that_is_fast_and_wrong_goes_back(fleet: Rolling, load: Load) -> None:
    state = goes_back(fleet, load, "hasty")
    assert "failed tasks" in state.failed


@pytest.mark.soak
def test_a_version_that_takes_twice_the_tokens_goes_back(fleet: Rolling, load: Load) -> None:
    state = goes_back(fleet, load, "wordy")
    assert "tokens per task" in state.failed
    assert not load.ledger.failed()


@pytest.mark.soak
def test_without_traffic_nothing_is_said_and_a_person_is_asked(fleet: Rolling) -> None:
    fleet.apply("unseen", rollout=ASKS)
    state = fleet.end()
    assert state.step is Step.INCONCLUSIVE and "no traffic" in state.reason
    fleet.tell("abort")
    assert fleet.end().step is Step.ROLLED_BACK


@pytest.mark.soak
@pytest.mark.parametrize("step", [Step.BASELINE_UP, Step.SHIFT, Step.SETTLE, Step.FINISH])
def test_the_gateway_dies_while_weights_change(fleet: Rolling, load: Load, step: Step) -> None:
    """Calls that it had in hand end with it, and no others fail."""
    version = f"after-{step}"
    number = fleet.apply(version, rollout=ASKS)
    promoting = threading.Thread(target=promoted, args=(fleet,))
    promoting.start()
    fleet.reached(step)
    fleet.kill("gateway")
    killed = time.time()
    promoting.join()
    view = fleet.view()
    assert view is not None and (view.number, view.state.step) == (number, Step.SUCCEEDED)
    fleet.version = version
    all_answer(fleet, load)
    bad = load.ledger.failed()
    assert {one.status for one in bad} <= {0} and all(one.sent < killed for one in bad), bad


@pytest.mark.soak
@pytest.mark.parametrize("step", [Step.BASELINE_UP, Step.SHIFT, Step.SETTLE, Step.FINISH])
def test_control_dies_at_any_step(fleet: Rolling, load: Load, step: Step) -> None:
    version = f"with-{step}"
    fleet.apply(version, rollout=ASKS)
    promoting = threading.Thread(target=promoted, args=(fleet,))
    promoting.start()
    fleet.reached(step)
    fleet.kill("control")
    promoting.join()
    assert fleet.end().step is Step.SUCCEEDED
    fleet.version = version
    all_answer(fleet, load)
    assert not load.ledger.failed()
