"""Which instances are ready, and which of them is taken."""

from __future__ import annotations

import pytest

from sutazai.fleet.errors import Conflict
from sutazai.fleet.facts import Endpoint, EndpointFacts
from sutazai.gateway.instances import Instance, Instances


def endpoint(number: int, agent: str = "a", address: str = "unix:/x") -> Endpoint:
    return Endpoint(agent=agent, instance=f"{agent}-{number}", address=address)


def facts(
    sequence: int,
    *ready: Endpoint,
    gone: tuple[str, ...] = (),
    full: bool = False,
    life: str = "h",
) -> EndpointFacts:
    return EndpointFacts(incarnation=life, sequence=sequence, full=full, ready=ready, gone=gone)


def ready(instances: Instances) -> list[str]:
    return [each.instance for each in instances.account().ready]


def test_steps_add_up() -> None:
    instances = Instances()
    assert instances.apply(facts(7, endpoint(1), endpoint(2), full=True))
    assert instances.apply(facts(8, endpoint(3), gone=("a-1",)))
    assert ready(instances) == ["a-2", "a-3"]
    assert not instances.apply(facts(9))


@pytest.mark.parametrize("step", [facts(9, endpoint(2)), facts(7), facts(8, life="other")])
def test_a_gap_is_refused_and_changes_nothing(step: EndpointFacts) -> None:
    instances = Instances()
    instances.apply(facts(7, endpoint(1), full=True))
    with pytest.raises(Conflict):
        instances.apply(step)
    assert ready(instances) == ["a-1"]
    assert instances.apply(facts(8, endpoint(2)))


def test_a_full_account_replaces_everything_and_keeps_what_is_known_of_the_rest() -> None:
    instances = Instances()
    instances.apply(facts(1, endpoint(1), endpoint(2), full=True))
    busy = instances.choose("a")
    assert busy is not None
    instances.begin(busy)
    kept = busy.endpoint
    instances.apply(facts(1, kept, endpoint(3), full=True, life="next"))
    assert instances.choose("a") is not busy
    instances.end(busy, 0.1)
    assert ready(instances) == [kept.instance, "a-3"]


def test_an_instance_at_another_address_is_another_one() -> None:
    instances = Instances()
    instances.add([endpoint(1)])
    first = instances.choose("a")
    instances.add([endpoint(1)])
    assert instances.choose("a") is first
    instances.add([endpoint(1, address="unix:/y")])
    assert instances.choose("a") is not first


def test_nobody_is_ready_of_an_unknown_agent() -> None:
    instances = Instances()
    assert instances.choose("a") is None
    instances.drop("a-1")


def take(instances: Instances, agent: str = "a") -> Instance:
    chosen = instances.choose(agent)
    assert chosen is not None
    instances.begin(chosen)
    return chosen


def test_the_least_busy_goes_first() -> None:
    instances = Instances()
    instances.add([endpoint(1), endpoint(2)])
    taken = [take(instances) for _ in range(4)]
    assert [each.running for each in taken] == [2, 2, 2, 2]
    instances.end(taken[0], 1.0)
    assert instances.choose("a") is taken[0]


def test_among_equally_busy_the_faster_goes_first_and_like_ones_take_turns() -> None:
    instances = Instances()
    instances.add([endpoint(1), endpoint(2), endpoint(3)])
    speeds = {"a-1": 1.0, "a-2": 0.10, "a-3": 0.11}
    counts = dict.fromkeys(speeds, 0)
    for _ in range(41):
        chosen = take(instances)
        counts[chosen.endpoint.instance] += 1
        instances.end(chosen, speeds[chosen.endpoint.instance])
    assert counts["a-1"] == 1
    assert counts["a-2"] == counts["a-3"] == 20


def test_a_failed_call_says_nothing_of_the_speed() -> None:
    instances = Instances()
    instances.add([endpoint(1)])
    chosen = take(instances)
    instances.end(chosen, None)
    assert (chosen.running, chosen.latency) == (0, 0.0)
