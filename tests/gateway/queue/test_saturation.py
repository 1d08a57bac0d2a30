"""Saturation in virtual time: fairness, priority, and prompts that are found on their slot."""

from __future__ import annotations

import pytest

from tests.gateway.queue.saturated import OUTSTANDING, Saturation
from tests.gateway.queue.stories import jain


@pytest.mark.parametrize("agents", [300, pytest.param(1000, marks=pytest.mark.soak)])
def test_all_are_served_alike_and_high_priority_waits_little(agents: int) -> None:
    """One agent has half of all requests in the queue; calls of high priority come to 0.3 of what
    the slots can do; a tenth of all clients leave early."""
    run = Saturation(agents=agents, rounds=10)
    run.run()
    served = [run.served[client] for client in run.equal]
    assert jain(served) >= 0.95
    assert run.served["greedy"] <= 2 * sum(served) / len(served)
    service = run.busy / sum(run.counts.values())
    waits = sorted(run.high_waits)
    assert waits[int(0.99 * len(waits))] <= 2 * service
    assert run.utilisation >= 0.98
    assert set(run.ended.values()) == {1}, "an entry ended twice"


def test_as_many_starts_find_their_prompt_as_the_backlog_allows() -> None:
    """With three requests of each agent in the queue no more than two of three could."""
    run = Saturation(agents=200, rounds=10, high_share=0.05)
    run.run()
    assert run.warm / run.starts >= 0.6 * (OUTSTANDING - 1) / OUTSTANDING
