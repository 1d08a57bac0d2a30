"""False alarms and power of rollouts, by simulation in virtual time.

    python -m benchmarks.verdicts [--json OUT] [--rollouts N]

Whole rollouts of four phases and a validation, each looked at ten times and once more at its end,
judged by the very code that judges real ones. What is inconclusive is extended once. Both versions
have what real ones have: response times that rise and fall together as the machine is loaded,
heavy tails, failures in bursts, memory that wanders.

- ``back``: share of rollouts that went back; ``promoted``: that went through all stages; the rest
  stay inconclusive and wait for a person. ``back_from``, ``back_to``: its 95 % interval.
- ``found_at``: the sample of each version after which half of those that went back had done so.

What is promised is simulated ``--rollouts`` times, every other case a sixth as often.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy import special

from sutazai.fleet.rollout_criteria import RolloutCriteria
from sutazai.fleet.rollout_findings import Verdict
from sutazai.rollout.evidence.cases import SLICES_LEAST
from sutazai.rollout.evidence.comparison import Levels, evidence_beyond
from sutazai.rollout.evidence.delivered import Delivered, Evidence, Slice
from sutazai.rollout.evidence.judging import cases_of, levels_of, overall, verdict_on
from sutazai.rollout.evidence.tallies import (
    BUCKETS,
    BUCKETS_PER_DOUBLING,
    Latencies,
    Moments,
    Tally,
)

STAGES, SLICES, LOOKS = 5, 20, 10
INSTANCES = 13
ROLLOUTS = 600
CRITERIA = RolloutCriteria()
MIB = 1024.0**2


@dataclass(frozen=True)
class Version:
    """How a version behaves. ``leak`` is what its memory grows by in a stage, ``idle`` the share
    of its work that it does not get done; ``bursts`` the share of slices in which one in ten of
    its requests fails on top."""

    slower: float = 1.0
    errors: float = 0.005
    failed: float = 0.002
    tools: float = 0.02
    llm: float = 0.001
    tokens: float = 1.0
    memory: float = 1.0
    leak: float = 0.0
    cpu: float = 1.0
    idle: float = 0.0
    bursts: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """``sample`` requests and as many tasks of each version in each stage, on average."""

    name: str
    green: Version
    blue: Version = Version()
    sample: int = 2000


BURSTY = Version(bursts=0.03)
SAME = tuple(
    Scenario(name, version, version, sample)
    for name, version, sample in (
        ("identical", Version(), 500),
        ("identical", Version(), 2000),
        ("identical, failures in bursts", BURSTY, 2000),
    )
)
OTHERS = (
    Scenario("better: p95 and tokens -20 %", Version(slower=0.8, tokens=0.8)),
    Scenario("within limits: p95 x1.3, memory x1.1", Version(slower=1.3, memory=1.1)),
    *(Scenario("p95 doubled", Version(slower=2.0), sample=n) for n in (500, 1000, 2000)),
    *(Scenario("errors +5 points", Version(errors=0.055), sample=n) for n in (500, 1000, 2000)),
    Scenario("tasks failed +5 points", Version(failed=0.052), sample=1000),
    Scenario("tool errors +8 points", Version(tools=0.1), sample=1000),
    Scenario("LLM failures +5 points", Version(llm=0.051), sample=1000),
    Scenario("tokens doubled", Version(tokens=2.0), sample=500),
    Scenario("memory x1.5", Version(memory=1.5), sample=500),
    Scenario("a leak of 60 % a stage", Version(leak=0.6), sample=500),
    Scenario("CPU x1.5", Version(cpu=1.5), sample=500),
    Scenario("a third less done", Version(idle=0.33), sample=1000),
)
CLAIMED = (
    *SAME,
    *(
        each
        for each in OTHERS
        if each.sample == 2000 and each.name in ("p95 doubled", "errors +5 points")
    ),
)
"""What the documentation promises."""


@dataclass(frozen=True)
class End:
    """How a rollout ended, and after what sample of each version."""

    verdict: Verdict
    sample: int


class Walk:
    """A value that wanders around 0 with a standard deviation of 1 (autoregressive)."""

    def __init__(self, rng: np.random.Generator, size: int, likeness: float) -> None:
        self._rng, self._likeness = rng, likeness
        self._at = rng.standard_normal(size)

    def step(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        new = self._rng.standard_normal(len(self._at)) * np.sqrt(1 - self._likeness**2)
        self._at = self._likeness * self._at + new
        return self._at


class World:
    """Makes slices of both versions under the same load."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator) -> None:
        self._scenario, self._rng = scenario, rng
        self._load = Walk(rng, 1, 0.9)
        self._agents = 60 * MIB * np.exp(0.5 * rng.standard_normal(INSTANCES))
        self._memory = [Walk(rng, INSTANCES, 0.9) for _ in range(2)]

    def slices(self) -> Iterator[Slice]:
        for at in range(10**6):
            load = float(self._load.step()[0])
            green = self._arm(self._scenario.green, self._memory[0], load, at / SLICES)
            yield Slice(green, self._arm(self._scenario.blue, self._memory[1], load, at / SLICES))

    def _arm(self, version: Version, memory: Walk, load: float, stage: float) -> Delivered:
        rng = self._rng
        offered = self._scenario.sample / SLICES * np.exp(0.3 * load)
        requests, tasks = int(rng.poisson(offered)), int(rng.poisson(offered * (1 - version.idle)))
        errors = version.errors + 0.1 * (rng.random() < version.bursts)
        took = version.slower * np.exp(0.3 * load + 0.7 * rng.standard_normal(requests))
        tokens = version.tokens * 800 * np.exp(0.8 * rng.standard_normal(tasks))
        grown = version.memory * (1 + version.leak * stage) * (1 + 0.05 * memory.step())
        cpu = version.cpu * 0.1 * np.exp(0.3 * load + 0.3 * rng.standard_normal(INSTANCES))
        return Delivered(
            exposure=1.0,
            requests=Tally(requests, int(rng.binomial(requests, errors))),
            latency=_latencies(took),
            tasks=Tally(tasks, int(rng.binomial(tasks, version.failed))),
            tools=Tally(tasks, int(rng.binomial(tasks, version.tools))),
            llm=Tally(2 * tasks, int(rng.binomial(2 * tasks, version.llm))),
            tokens=_moments(tokens),
            memory=_moments(self._agents * grown),
            cpu=_moments(cpu),
        )


def _latencies(seconds: np.ndarray[Any, np.dtype[np.float64]]) -> Latencies:
    at = np.clip(BUCKETS_PER_DOUBLING * np.log2(seconds * 1000), 0, BUCKETS - 1).astype(int)
    found, counts = np.unique(at, return_counts=True)
    return Latencies(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def _moments(values: np.ndarray[Any, np.dtype[np.float64]]) -> Moments:
    if not values.size:
        return Moments()
    return Moments(values.size, float(values.mean()), float(values.var() * values.size))


def rollout(scenario: Scenario, seed: int) -> End:
    """One rollout from its first phase to its end."""
    rng = np.random.default_rng(seed)
    sampled = 0
    for stage in range(1, STAGES + 1):
        world = World(scenario, rng).slices()
        slices: list[Slice] = []
        found = Verdict.INCONCLUSIVE
        while found is Verdict.INCONCLUSIVE and len(slices) < 2 * SLICES:
            found = _measured(stage, slices, world)
        sampled += sum(each.green.requests.of for each in slices)
        if found is not Verdict.PASS:
            return End(found, sampled)
    return End(Verdict.PASS, sampled)


def _measured(stage: int, slices: list[Slice], world: Iterator[Slice]) -> Verdict:
    """Measure for the time of a phase, looking on the way for failures only."""
    for _ in range(LOOKS):
        slices.extend(next(world) for _ in range(SLICES // LOOKS))
        evidence = Evidence(stage, STAGES, tuple(slices))
        if len(slices) < SLICES_LEAST:
            continue
        if _fails(evidence):
            return Verdict.FAIL
    cases = [case for case in cases_of(CRITERIA, evidence) if case.is_used]
    levels = levels_of(CRITERIA, evidence)
    return overall([verdict_on(case, levels) for case in cases])


def _fails(evidence: Evidence) -> bool:
    """Whether any metric fails. The full verdict is asked only where that can be."""
    levels: Levels = levels_of(CRITERIA, evidence)
    return any(
        case.comparison is not None
        and evidence_beyond(case.comparison, case.limit) >= levels.alarm
        and verdict_on(case, levels) is Verdict.FAIL
        for case in cases_of(CRITERIA, evidence)
    )


def row(scenario: Scenario, ends: list[End]) -> dict[str, Any]:
    """The figures of one line of the table; the interval is that of Clopper and Pearson (1934)."""
    count = len(ends)
    verdicts = Counter(end.verdict for end in ends)
    back = verdicts[Verdict.FAIL]
    found = [end.sample for end in ends if end.verdict is Verdict.FAIL]
    return {
        "what": scenario.name,
        "sample": scenario.sample,
        "rollouts": count,
        "back": back / count,
        "back_from": float(special.betaincinv(back, count - back + 1, 0.025)) if back else 0.0,
        "back_to": float(special.betaincinv(back + 1, count - back, 0.975))
        if back < count
        else 1.0,
        "promoted": verdicts[Verdict.PASS] / count,
        "found_at": round(median(found)) if found else None,
    }


def simulate(rollouts: int) -> Iterator[dict[str, Any]]:
    """The table, line by line."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for scenario in (*SAME, *OTHERS):
            count = rollouts if scenario in CLAIMED else max(rollouts // 6, 1)
            ends = pool.map(partial(rollout, scenario), range(count), chunksize=8)
            yield row(scenario, list(ends))


def line(figures: dict[str, Any]) -> str:
    """One line of the table in `docs/rollouts.md`."""
    found = f"{figures['found_at']:,}" if figures["found_at"] else ""
    return (
        f"| {figures['what']} | {figures['sample']:,} | {figures['rollouts']:,} "
        f"| {figures['back']:.1%} | {figures['back_from']:.1%} to {figures['back_to']:.1%} "
        f"| {figures['promoted']:.1%} "
        f"| {found} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rollouts", type=int, default=ROLLOUTS)
    chosen = parser.parse_args()
    print("| new version | sample | rollouts | went back | 95 % interval | promoted | found at |")
    print("|---|---|---|---|---|---|---|", flush=True)
    table = []
    for figures in simulate(chosen.rollouts):
        print(line(figures), flush=True)
        table.append(figures)
    if chosen.json:
        chosen.json.write_text(json.dumps({"criteria": CRITERIA.model_dump(), "table": table}))


if __name__ == "__main__":
    main()
