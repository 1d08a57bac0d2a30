"""Units start after what they depend on, and stop before it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.errors import BadFleet
from sutazai.fleet.order import cycles, dependencies, start_waves, stop_waves
from tests.fleet.fleets import fleet_of

NAMES = [f"unit-{number}" for number in range(12)]

graphs = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from([*NAMES, "unknown"]), max_size=4)
)
ordered_graphs = st.lists(st.sets(st.integers(0, 11)), max_size=12).map(
    lambda needs: {
        f"unit-{at}": tuple(f"unit-{need}" for need in sorted(each) if need < at)
        for at, each in enumerate(needs)
    }
)


def test_a_chain_starts_one_by_one_and_stops_the_other_way_round() -> None:
    graph = {"web": ("api",), "api": ("db", "cache"), "db": (), "cache": ()}

    assert start_waves(graph) == [("db", "cache"), ("api",), ("web",)]
    assert stop_waves(graph, dict.fromkeys(graph, 0)) == [("web",), ("api",), ("db", "cache")]


def test_agents_stop_before_services_but_not_before_a_service_that_needs_them() -> None:
    graph = {"agent": ("db",), "lone": (), "scribe": (), "db": (), "exporter": ("scribe",)}
    ranks = {"agent": 0, "lone": 0, "scribe": 0, "db": 1, "exporter": 1}

    assert stop_waves(graph, ranks) == [("agent", "lone"), ("db", "exporter"), ("scribe",)]


def test_what_depends_on_each_other_stops_at_once() -> None:
    graph = {"a": ("b",), "b": ("a",), "c": ()}

    assert stop_waves(graph, dict.fromkeys(graph, 0)) == [("c",), ("a", "b")]


def test_what_is_unknown_counts_as_met() -> None:
    assert start_waves({"a": ("elsewhere",)}) == [("a",)]
    assert start_waves({}) == []


def test_a_circle_is_shown_and_leaves_no_order() -> None:
    graph = {"a": ("b",), "b": ("c",), "c": ("a",), "d": ("a",), "e": ()}

    assert cycles(graph) == [("a", "b", "c", "a")]
    with pytest.raises(BadFleet, match="a → b → c → a"):
        start_waves(graph)


def test_each_circle_is_shown_and_self_love_is_one() -> None:
    graph = {"a": ("a",), "b": ("c",), "c": ("b",), "d": ("b", "a")}

    assert cycles(graph) == [("a", "a"), ("b", "c", "b")]


def test_a_chain_of_ten_thousand_is_no_deeper_than_the_stack() -> None:
    graph = {f"u{at}": (f"u{at + 1}",) for at in range(10_000)}

    assert len(start_waves(graph)) == 10_000
    assert len(cycles({**graph, "u9999": ("u0",)})[0]) == 10_001


@settings(max_examples=150, deadline=None)
@given(graph=ordered_graphs)
def test_the_order_is_topological_and_complete(graph: dict[str, tuple[str, ...]]) -> None:
    waves = start_waves(graph)

    at = {name: number for number, wave in enumerate(waves) for name in wave}
    assert sorted(at) == sorted(graph)
    assert sum(map(len, waves)) == len(graph)
    assert all(at[need] < at[name] for name, needs in graph.items() for need in needs)
    assert cycles(graph) == []


@settings(max_examples=150, deadline=None)
@given(graph=ordered_graphs, seed=st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_everything_stops_once_and_nothing_before_what_depends_on_it(
    graph: dict[str, tuple[str, ...]], seed: list[int]
) -> None:
    waves = stop_waves(graph, dict(zip(NAMES, seed, strict=True)))

    at = {name: number for number, wave in enumerate(waves) for name in wave}
    assert sorted(name for wave in waves for name in wave) == sorted(graph)
    assert all(at[need] > at[name] for name, needs in graph.items() for need in needs)


@settings(max_examples=150, deadline=None)
@given(graph=graphs)
def test_every_circle_told_of_is_one_and_without_any_there_is_an_order(
    graph: dict[str, list[str]],
) -> None:
    found = cycles(graph)

    for cycle in found:
        assert cycle[0] == cycle[-1]
        assert all(after in graph[name] for name, after in pairwise(cycle))
    if not found:
        assert sorted(name for wave in start_waves(graph) for name in wave) == sorted(graph)
    else:
        with pytest.raises(BadFleet):
            start_waves(graph)


def test_services_that_are_not_enabled_are_no_part_of_the_order() -> None:
    fleet = fleet_of(
        """
name: x
agents: {a: {depends_on: [db, old]}}
services: {db: {command: [x]}, old: {command: [x], enabled: false}}
"""
    )

    assert start_waves(dependencies(fleet)) == [("db",), ("a",)]
