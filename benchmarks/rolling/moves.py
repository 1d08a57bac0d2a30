"""One move of a fleet to another version, and its figures."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.rolling.memory import Watch
from sutazai.fleet.rollouts import RolloutState, Step
from tests.e2e.rolling import SWIFT, Answer, Ledger, Rolling

ENDS_WITHIN = 900.0
FOUND_WITHIN = 120.0
"""Seconds that a bad version has to be found; then a person gives it up."""
GIVEN_UP = "aborted by"
ASKED = {**SWIFT, "no_traffic": "ask"}
AFTER = 3.0
"""Seconds after a rollout in which everything must be as it was."""
LOOK = 0.02


@dataclass
class _Back:
    """Watches for the moment at which the gateway has confirmed the way back: from then on time
    counts for that step. 0 where it went by unseen."""

    fleet: Rolling
    confirmed: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while not self.over.wait(LOOK) and not self.confirmed:
            view = self.fleet.view()
            if view is not None and view.state.step is Step.ABORTING and view.state.elapsed > 0:
                self.confirmed = view.state.looked


def p95(answers: Sequence[Answer]) -> float:
    """Seconds of the good ones."""
    took = [one.ended - one.sent for one in answers if one.is_good]
    return statistics.quantiles(took, n=20, method="inclusive")[18]


def good_move(fleet: Rolling, ledger: Ledger, watch: Watch, quiet: float) -> dict[str, Any]:
    """Moves everything to a good version, after ``quiet`` seconds of load that it is compared to.
    Ends the run where the version does not pass."""
    began = time.time()
    time.sleep(quiet)
    moving = time.time()
    fleet.apply("better")
    state, promoted = fleet.helped(ENDS_WITHIN)
    if state.step is not Step.SUCCEEDED:
        at = f"{state.step} in phase {state.phase + 1} of {len(state.stages)}"
        raise SystemExit(f"the good version has not passed: {at}: {state.reason}")
    fleet.version, ended = "better", time.time()
    time.sleep(AFTER)
    answers = ledger.since(began)
    before = p95([one for one in answers if one.sent < moving])
    during = p95([one for one in answers if moving <= one.sent < ended])
    memory = watch.most(began, moving), watch.most(moving, ended)
    return {
        "requests": len(answers),
        "failed_requests": len(ledger.failed(began)),
        "left_on_old": sum(one.version != fleet.version for one in ledger.since(ended)),
        "p95_ms": [round(1000 * each, 1) for each in (before, during)],
        "p95_ratio": round(during / before, 2),
        "memory_mib": [round(each / 1024**2) for each in memory],
        "memory_ratio": round(memory[1] / memory[0], 2),
        "seconds_total": round(ended - moving, 1),
        "promoted": promoted,
        "steps": steps_of(state),
        "load_average": os.getloadavg()[0],
    }


def bad_move(fleet: Rolling, ledger: Ledger, version: str) -> dict[str, Any]:
    """Begins to move everything to a bad version, which is to come back by itself."""
    began, back = time.time(), _Back(fleet)
    fleet.apply(version)
    watching = threading.Thread(target=back.watch, name="watch the way back")
    watching.start()
    state = _came_back(fleet)
    back.over.set()
    watching.join()
    ended = time.time()
    time.sleep(AFTER)
    trigger, confirmed = _at(state, Step.ABORTING), back.confirmed or _at(state, Step.ROLLED_BACK)
    late = [one for one in ledger.since(trigger) if one.version == version]
    return {
        "found": GIVEN_UP not in state.failed,
        "why": state.failed,
        "detect_seconds": round(trigger - _at(state, Step.BASELINE_UP), 2),
        "rollback_seconds": round(confirmed - trigger, 2),
        "last_call_to_it_seconds": round(max((one.sent - trigger for one in late), default=0.0), 2),
        "whole_seconds": round(_at(state, Step.ROLLED_BACK) - trigger, 2),
        "failed_by_it": len(ledger.failed(began)),
        "failed_afterwards": len(ledger.failed(ended)),
        "unanswered": len(ledger.unanswered(began)),
        "load_average": os.getloadavg()[0],
    }


def unseen_move(fleet: Rolling) -> dict[str, Any]:
    """Begins to move everything while nobody calls: a person is to be asked, and nobody is told
    that it passed."""
    fleet.apply("unseen", rollout=ASKED)
    state = fleet.end(within=FOUND_WITHIN)
    fleet.tell("abort")
    fleet.until(Step.ROLLED_BACK)
    asked = state.step is Step.INCONCLUSIVE
    return {"found": asked, "why": state.reason, "passed": _at(state, Step.SETTLE) > 0}


def _came_back(fleet: Rolling) -> RolloutState:
    """How it ended; one that is not found in time is given up by a person."""
    try:
        state = fleet.end(within=FOUND_WITHIN)
    except AssertionError:
        state = None
    if state is None or state.step is not Step.ROLLED_BACK:
        fleet.tell("abort")
        state = fleet.until(Step.ROLLED_BACK, Step.SUCCEEDED)
    return state


def steps_of(state: RolloutState) -> dict[str, float]:
    """Seconds of each kind of step."""
    found: dict[str, float] = {}
    times = [*(one.at for one in state.history[1:]), state.since]
    for moment, until in zip(state.history, times, strict=True):
        found[moment.step] = round(found.get(moment.step, 0.0) + until - moment.at, 1)
    return found


def _at(state: RolloutState, step: Step) -> float:
    """When it first came to that step, 0 where it never did."""
    return next((one.at for one in state.history if one.step is step), 0.0)
