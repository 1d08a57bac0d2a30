"""False alarms and power over whole rollouts, in virtual time."""

from __future__ import annotations

import pytest

from benchmarks.verdicts import OTHERS, SAME, Scenario, rollout, row
from sutazai.fleet.rollout_findings import Verdict


def worse(name: str, sample: int) -> Scenario:
    return next(each for each in OTHERS if (each.name, each.sample) == (name, sample))


@pytest.mark.parametrize(("name", "rollouts"), [("p95 doubled", 50), ("errors +5 points", 150)])
def test_a_worse_version_goes_back_and_never_through(name: str, rollouts: int) -> None:
    scenario = worse(name, 2000)

    ends = [rollout(scenario, seed).verdict for seed in range(rollouts)]

    assert ends.count(Verdict.FAIL) >= 0.95 * rollouts
    assert Verdict.PASS not in ends


def test_identical_versions_go_through() -> None:
    ends = [rollout(SAME[1], seed).verdict for seed in range(15)]

    assert Verdict.FAIL not in ends
    assert ends.count(Verdict.PASS) >= 12


@pytest.mark.soak
@pytest.mark.parametrize("scenario", SAME, ids=lambda each: f"{each.name}-{each.sample}")
def test_few_good_versions_go_back(scenario: Scenario) -> None:
    figures = row(scenario, [rollout(scenario, seed) for seed in range(1000)])

    assert figures["back"] <= 0.01


@pytest.mark.soak
@pytest.mark.parametrize("name", ["p95 doubled", "errors +5 points"])
def test_nearly_all_bad_versions_go_back(name: str) -> None:
    figures = row(worse(name, 2000), [rollout(worse(name, 2000), seed) for seed in range(300)])

    assert figures["back"] >= 0.95
    assert figures["promoted"] == 0
