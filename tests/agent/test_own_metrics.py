"""Metrics of an agent's own: what an author can count, and what the host is told."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from sutazai.agent import Agent, TaskContext
from sutazai.agent.metrics import Metrics
from sutazai.fleet.errors import BadInput
from sutazai.fleet.own_metrics import SERIES_MAX
from tests.agent.test_instance import instance, invoke

LOG = logging.getLogger("counting")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: LOG)


class Counting(Agent):
    async def run(self, task: TaskContext) -> int:
        self.metrics.counter("pages").add(task.input)
        self.metrics.gauge("open_files").set(2)
        self.metrics.histogram("parse_seconds", (0.5, 1)).observe(0.7)
        return await asyncio.to_thread(self._in_a_thread)

    def _in_a_thread(self) -> int:
        self.metrics.counter("pages").add()
        return 1


class OfOldTimes(Agent):
    """One that called something else so before there were any."""

    async def start(self) -> None:
        self.metrics = {"requests": 1}  # type: ignore[assignment]

    async def run(self, task: TaskContext) -> str:
        return "done"


async def health_after(kind: type[Agent], given: Any) -> dict[str, Any]:
    async with instance(kind) as (client, address):
        await invoke(client, address, given)
        health: dict[str, Any] = await client.call("GET", address, "/health")
    return health


async def test_what_an_agent_counts_is_told_with_its_health() -> None:
    told = (await health_after(Counting, 3))["metrics"]

    assert told == [
        ["counter", "pages", 4.0],
        ["gauge", "open_files", 2.0],
        ["histogram", "parse_seconds", [0.5, 1.0], [0, 1, 0], 0.7],
    ]


async def test_who_counts_nothing_tells_nothing() -> None:
    assert "metrics" not in await health_after(OfOldTimes, "x")


def test_a_name_is_one_metric(metrics: Metrics) -> None:
    assert metrics.counter("pages") is metrics.counter("pages")
    with pytest.raises(BadInput, match="counter"):
        metrics.gauge("pages")


@pytest.mark.parametrize("name", ["", "Pages", "pages_total", "9", "a-b", "a" * 61, "ä", "a_sum"])
def test_a_name_that_prometheus_could_not_take_is_refused(metrics: Metrics, name: str) -> None:
    with pytest.raises(BadInput):
        metrics.counter(name)


def test_what_is_no_value_is_refused(metrics: Metrics) -> None:
    with pytest.raises(BadInput):
        metrics.counter("pages").add(-1)
    with pytest.raises(BadInput):
        metrics.gauge("open").set(float("nan"))
    for edges in ((), (2, 1), (1, 1), (1, float("inf"))):
        with pytest.raises(BadInput):
            metrics.histogram("times", edges)


def test_beyond_the_bound_it_goes_on_untold_and_says_so_once(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    for user in range(SERIES_MAX + 50):
        metrics.counter(f"user_{user}").add()

    assert len(metrics.told()) == SERIES_MAX
    (said,) = caplog.messages
    assert said == f"metric user_{SERIES_MAX} is not told: an agent has {SERIES_MAX} series at most"


def test_a_histogram_counts_for_all_its_series(metrics: Metrics) -> None:
    metrics.histogram("first", range(1, SERIES_MAX - 2))
    metrics.counter("second").add()

    assert [name for _, name, *_ in metrics.told()] == ["first"]
