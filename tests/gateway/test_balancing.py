"""Which of the ready instances the next call goes to."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.facts import Endpoint
from sutazai.fleet.serving import Balance
from sutazai.gateway.doors.balancing import Balancer
from sutazai.gateway.doors.instances import Instance, Instances
from sutazai.gateway.doors.weights import Weighted


def units(weights: dict[int, float]) -> dict[str, float]:
    """The weights of units a@1, a@2, …"""
    return {f"a@{number}": weight for number, weight in weights.items()}


def instances(*numbers: int) -> Instances:
    """Ready instances a-0, a-1, … of these units."""
    made = Instances()
    made.add(
        Endpoint(agent="a", instance=f"a-{place}", address="unix:/x", unit=f"a@{number}")
        for place, number in enumerate(numbers)
    )
    return made


def take(found: Instances, balancer: Balancer) -> Instance:
    chosen = balancer.choose(found.ready("a"))
    assert chosen is not None
    found.begin(chosen)
    return chosen


def served(found: Instances, balancer: Balancer, calls: int) -> list[str]:
    """The instances that calls go to, one after the other."""
    names = []
    for _ in range(calls):
        chosen = take(found, balancer)
        found.end(chosen, 0.1)
        names.append(chosen.endpoint.instance)
    return names


def by_unit(found: Instances, balancer: Balancer, calls: int) -> Counter[int]:
    owners = (take(found, balancer).endpoint.owner for _ in range(calls))
    return Counter(int(owner.removeprefix("a@")) for owner in owners)


def weighing(weights: dict[int, float], balance: Balance = Balance.LEAST_LOADED) -> Balancer:
    balancer = Balancer()
    balancer.update(balance, units(weights))
    return balancer


# without weights


def test_the_least_busy_goes_first() -> None:
    found, balancer = instances(1, 1), Balancer()
    taken = [take(found, balancer) for _ in range(4)]
    assert [each.running for each in taken] == [2, 2, 2, 2]
    found.end(taken[0], 1.0)
    assert balancer.choose(found.ready("a")) is taken[0]


def test_among_equally_busy_the_faster_goes_first_and_like_ones_take_turns() -> None:
    found, balancer = instances(1, 1, 1), Balancer()
    speeds = {"a-0": 1.0, "a-1": 0.10, "a-2": 0.11}
    counts = dict.fromkeys(speeds, 0)
    for _ in range(41):
        chosen = take(found, balancer)
        counts[chosen.endpoint.instance] += 1
        found.end(chosen, speeds[chosen.endpoint.instance])
    assert counts["a-0"] == 1
    assert counts["a-1"] == counts["a-2"] == 20


def test_nobody_is_chosen_where_nobody_is_ready() -> None:
    assert Balancer().choose([]) is None
    assert weighing({1: 2.0}, Balance.ROUND_ROBIN).choose([]) is None


def test_on_demand_all_take_turns_however_busy_they_are() -> None:
    found, balancer = instances(1, 1, 1), weighing({}, Balance.ROUND_ROBIN)
    for _ in range(5):
        found.begin(found.ready("a")[0])
    names = served(found, balancer, 6)
    assert names == ["a-1", "a-2", "a-0"] * 2


# with weights


def test_units_get_their_shares_however_many_instances_they_have() -> None:
    found = instances(1, 1, 1, 2)
    assert by_unit(found, weighing({1: 9.0, 2: 1.0}), 200) == {1: 180, 2: 20}


def test_shares_are_spread_evenly() -> None:
    found, balancer = instances(1, 2), weighing({1: 3.0, 2: 1.0})
    assert served(found, balancer, 8) == ["a-0", "a-0", "a-1", "a-0"] * 2


def test_within_a_unit_the_least_busy_is_taken() -> None:
    found, balancer = instances(1, 1, 2), weighing({1: 2.0, 2: 1.0})
    taken = Counter(take(found, balancer).endpoint.instance for _ in range(12))
    assert taken == {"a-0": 4, "a-1": 4, "a-2": 4}


def test_within_a_unit_its_instances_take_turns_on_demand() -> None:
    found, balancer = instances(1, 1, 2), weighing({1: 2.0, 2: 1.0}, Balance.ROUND_ROBIN)
    names = Counter(served(found, balancer, 12))
    assert names == {"a-0": 4, "a-1": 4, "a-2": 4}


def test_a_unit_without_a_weight_weighs_one() -> None:
    assert by_unit(instances(1, 2), weighing({1: 3.0}), 40) == {1: 30, 2: 10}


def test_a_unit_that_weighs_nothing_gets_nothing() -> None:
    found, balancer = instances(1, 2), weighing({1: 0.0, 2: 0.5})
    assert by_unit(found, balancer, 10) == {2: 10}
    found.drop("a-1")
    assert balancer.choose(found.ready("a")) is None


def test_units_that_are_not_there_take_nobodys_calls() -> None:
    assert by_unit(instances(1, 2), weighing({1: 1.0, 2: 1.0, 3: 98.0}), 10) == {1: 5, 2: 5}


def test_a_canary_is_raised_in_steps_and_each_step_holds_at_once() -> None:
    found, balancer = instances(1, 2), weighing({1: 90.0, 2: 10.0})
    assert by_unit(found, balancer, 100) == {1: 90, 2: 10}
    balancer.update(Balance.LEAST_LOADED, units({1: 50.0, 2: 50.0}))
    assert by_unit(found, balancer, 100) == {1: 50, 2: 50}
    balancer.update(Balance.LEAST_LOADED, units({1: 0.0, 2: 1.0}))
    assert by_unit(found, balancer, 100) == {2: 100}
    balancer.update(Balance.LEAST_LOADED, {})
    assert by_unit(found, balancer, 90)[1] > 0


def test_an_instance_that_comes_and_goes_starves_no_small_share() -> None:
    found, balancer = instances(1, 1, 2), weighing({1: 99.0, 2: 1.0})
    second = found.ready("a")[1].endpoint
    counts = Counter[int]()
    for number in range(1000):
        if number % 7 == 0:
            found.drop("a-1")
        elif number % 7 == 3:
            found.add([second])
        counts += by_unit(found, balancer, 1)
    assert counts[2] == 10


shares = st.dictionaries(st.integers(0, 6), st.floats(0, 100), min_size=1, max_size=6)


@settings(deadline=None)
@given(shares, st.integers(1, 300))
def test_over_time_shares_are_exact(weights: dict[int, float], choices: int) -> None:
    weighted: Weighted[int] = Weighted()
    counts = Counter(weighted.choose(weights) for _ in range(choices))
    total = sum(weights.values())
    if not total:
        assert counts == {None: choices}
        return
    for key, weight in weights.items():
        assert abs(counts[key] - choices * weight / total) < len(weights)
        assert weight or not counts[key]


@settings(deadline=None)
@given(st.lists(st.tuples(shares, st.integers(1, 40)), max_size=12), st.integers(1, 200))
def test_what_was_before_moves_shares_by_no_more_than_a_few_choices(
    before: list[tuple[dict[int, float], int]], choices: int
) -> None:
    weighted: Weighted[int] = Weighted()
    for weights, times in before:
        for _ in range(times):
            weighted.choose(weights)
    counts = Counter(weighted.choose({1: 3.0, 2: 1.0}) for _ in range(choices))
    assert abs(counts[1] - choices * 0.75) < 14
