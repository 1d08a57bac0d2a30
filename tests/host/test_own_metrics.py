"""Agents' own metrics as the host tells them: added up, counted on, bounded, and never believed."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sutazai.agent.metrics import Metrics
from sutazai.fleet.own_metrics import SERIES_MAX
from sutazai.host.own_metrics import ALL_MAX, FULL, Own, OwnMetrics, own_in
from sutazai.wire import Address
from sutazai.wire.exposition import labels
from tests.host.machine import Machine, agent
from tests.host.test_metrics import told as told_by

PAGES = Own("counter", "pages", 2.0)
OPEN = Own("gauge", "open", 3.0)
TIMES = Own("histogram", "seconds", 1.5, (1.0, 2.0), (1, 2, 3))
COUNTING = """
from sutazai.agent import Agent

class Counting(Agent):
    async def run(self, task):
        self.metrics.counter("pages").add(task.input)
        self.metrics.gauge("open").set(1)
        return "done"
"""


class Book(OwnMetrics):
    """Tells what stands in the text, by name and labels."""

    def told(self, **told: tuple[str, tuple[Own, ...]]) -> dict[tuple[str, ...], float]:
        texts, self.refused = self.look(told, {name: labels(agent=name) for name in "abcd"})
        families = text_string_to_metric_families(b"".join(texts).decode())
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


def test_instances_of_an_agent_are_added_up_and_agents_told_apart() -> None:
    found = Book().told(a1=("a", (PAGES, OPEN)), a2=("a", (PAGES, OPEN)), b1=("b", (PAGES, TIMES)))

    assert found["agent_pages_total", "a"] == 4 and found["agent_pages_total", "b"] == 2
    assert found["agent_open", "a"] == 6
    assert found["agent_seconds_bucket", "b", "1.0"] == 1
    assert found["agent_seconds_bucket", "b", "+Inf"] == found["agent_seconds_count", "b"] == 6
    assert found["agent_seconds_sum", "b"] == 1.5


def test_what_ended_is_counted_on_but_for_gauges() -> None:
    book = Book()
    book.told(a1=("a", (PAGES, OPEN, TIMES)))
    asleep = book.told()
    again = book.told(a2=("a", (PAGES, OPEN)))

    assert asleep["agent_pages_total", "a"] == 2 and asleep["agent_seconds_sum", "a"] == 1.5
    assert ("agent_open", "a") not in asleep
    assert again["agent_pages_total", "a"] == 4 and again["agent_open", "a"] == 3
    assert again["agent_seconds_count", "a"] == 6


def test_what_belongs_to_no_agent_is_left_out() -> None:
    book = Book()
    assert book.told(x1=("x", (PAGES,))) == {}
    assert book.told() == {}


def test_a_name_means_one_thing_in_the_whole_fleet() -> None:
    other = Own("histogram", "open", 1.0, (1.0,), (0, 1))
    book = Book()

    found = book.told(a1=("a", (OPEN,)), b1=("b", (other, PAGES)))

    assert found == {("agent_open", "a"): 3, ("agent_pages_total", "b"): 2}
    assert book.refused == [
        "own metrics of b are not told: agent_open is another kind of metric, or has other "
        "buckets, elsewhere"
    ]
    book.told(a1=("a", (OPEN,)), b1=("b", (other, PAGES)))
    assert book.refused == [], "it is said once"


def test_versions_that_count_other_things_do_not_add_up_without_end() -> None:
    book = Book()
    for version in range(100):
        owns = tuple(Own("counter", f"of_{version}_{number}", 1.0) for number in range(5))
        found = book.told(**{f"a{version}": ("a", owns)})

    assert len(found) == SERIES_MAX
    assert all((f"agent_of_99_{number}_total", "a") in found for number in range(5))


def test_all_agents_together_are_bounded() -> None:
    every = {f"agent-{number}": labels(agent=f"agent-{number}") for number in range(ALL_MAX)}
    told = {name: (name, (PAGES, OPEN)) for name in every}

    texts, refused = OwnMetrics().look(told, every)

    assert b"".join(texts).count(b"{agent=") == ALL_MAX
    assert refused == [
        f"own metrics of some agents are not told: {FULL}, which agent-1000 is the first to exceed"
    ]


def test_agents_under_one_label_are_one_series() -> None:
    every = {f"agent-{number}": labels(group="crowd") for number in range(ALL_MAX + 1)}

    texts, refused = OwnMetrics().look({name: (name, (PAGES,)) for name in every}, every)

    assert f'agent_pages_total{{group="crowd"}} {2.0 * (ALL_MAX + 1)}' in b"".join(texts).decode()
    assert refused == []


def test_what_an_agent_tells_is_read_back() -> None:
    metrics = Metrics(lambda: pytest.fail("nothing is refused"))
    metrics.counter("pages").add(2)
    metrics.gauge("open").set(3)
    times = metrics.histogram("seconds", (1, 2))
    for value in (1, 1.5, 9):
        times.observe(value)

    seconds = Own("histogram", "seconds", 11.5, (1.0, 2.0), (1, 1, 1))
    assert own_in(metrics.told()) == (PAGES, OPEN, seconds)


@pytest.mark.parametrize(
    "row",
    [
        None, [], ["counter", "pages"], ["counter", "pages", -1], ["counter", "Pages", 1],
        ["counter", "pages", float("inf")], ["gauge", "pages", 10**400],
        ["gauge", "a_total", 1], ["other", "pages", 1],
        ["histogram", "h", [1, 2], [1, 1], 1], ["histogram", "h", [2, 1], [1, 1, 1], 1],
        ["histogram", "h", ["1"], [1, 1], 1], ["histogram", "h", [1], [1, 0.5], 1],
    ],
)  # fmt: skip
def test_what_is_no_metric_is_left_out(row: Any) -> None:
    assert own_in([row, ["counter", "pages", 2.0]]) == (PAGES,)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["counter", "a"]),
    lambda inner: st.lists(inner, max_size=5),
)


@given(_JSON)
def test_whatever_is_told_can_be_read_by_prometheus(value: Any) -> None:
    Book().told(a1=("a", own_in(value)))


async def test_a_host_tells_what_its_agents_count_over_their_ends(
    one: Machine, tmp_path: Path
) -> None:
    (tmp_path / "counting.py").write_text(COUNTING)
    await one.want(agent("reader", "counting:Counting", directory=str(tmp_path)))
    first = await asked(one, 5)
    await until_pages(one, 5)

    os.kill(first, signal.SIGKILL)
    await one.until("reader", lambda unit: first not in [each.pid for each in unit.instances])
    assert await asked(one, 2) != first

    await until_pages(one, 7)


async def asked(one: Machine, pages: int) -> int:
    """Has the agent count so many pages, once it is well; its process."""
    unit = await one.until("reader", lambda unit: unit.state == "healthy")
    (there,) = unit.instances
    where = Address.parse(str(there.address))
    await one.client.call("POST", where, "/invoke", {"input": pages})
    return there.pid


async def until_pages(one: Machine, count: int) -> None:
    async with asyncio.timeout(60):
        while (await told_by(one)).get(("agent_pages_total", "reader")) != count:
            await asyncio.sleep(0.1)
