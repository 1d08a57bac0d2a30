"""What versions deliver, made by lot, for tests of what is said about it."""

from __future__ import annotations

import random
from collections.abc import Callable

from sutazai.rollout.evidence.delivered import Delivered, Evidence, Slice
from sutazai.rollout.evidence.tallies import Latencies, Moments, Tally

Arm = Callable[[random.Random, int], Delivered]


def version(
    *,
    requests: int = 60,
    errors: float = 0.005,
    slower: float = 1.0,
    failed: float = 0.002,
    tools: float = 0.02,
    tokens: float = 1.0,
    memory: float = 1.0,
    leak: float = 0.0,
    cpu: float = 1.0,
    done: float = 1.0,
) -> Arm:
    """Makes the slices of an arm: from a lot and the slice's number."""

    def delivered(lot: random.Random, at: int) -> Delivered:
        def bad(of: int, share: float) -> Tally:
            return Tally(of, sum(lot.random() < share for _ in range(of)))

        tasks = round(requests * done)
        held = memory * (1 + leak * at)
        return Delivered(
            exposure=1.0,
            requests=bad(requests, errors),
            latency=Latencies.of(slower * lot.lognormvariate(0, 0.7) for _ in range(requests)),
            tasks=bad(tasks, failed),
            tools=bad(tasks, tools),
            llm=bad(tasks, 0.001),
            tokens=Moments.of(tokens * 800 * lot.lognormvariate(0, 0.8) for _ in range(tasks)),
            memory=Moments.of(held * 6e7 * lot.uniform(0.95, 1.05) for _ in range(4)),
            cpu=Moments.of(cpu * 0.1 * lot.uniform(0.8, 1.2) for _ in range(4)),
        )

    return delivered


def evidence(
    green: Arm, blue: Arm, *, slices: int = 40, stage: int = 1, stages: int = 5, seed: int = 1
) -> Evidence:
    lot = random.Random(seed)
    made = (Slice(green(lot, at), blue(lot, at)) for at in range(slices))
    return Evidence(stage, stages, tuple(made))
