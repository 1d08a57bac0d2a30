"""Which instances are ready, and what is seen of them."""

from __future__ import annotations

import pytest

from sutazai.fleet.errors import Conflict
from sutazai.fleet.facts import Endpoint, EndpointFacts
from sutazai.gateway.doors.instances import Instance, Instances


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


def only(instances: Instances, agent: str = "a") -> Instance:
    (found,) = instances.ready(agent)
    return found


def test_a_full_account_replaces_everything_and_keeps_what_is_known_of_the_rest() -> None:
    instances = Instances()
    instances.apply(facts(1, endpoint(1), endpoint(2), full=True))
    busy = instances.ready("a")[0]
    instances.begin(busy)
    instances.apply(facts(1, busy.endpoint, endpoint(3), full=True, life="next"))
    assert [each.running for each in instances.ready("a")] == [1, 0]
    instances.end(busy, 0.1)
    assert ready(instances) == [busy.endpoint.instance, "a-3"]


def test_an_instance_at_another_address_is_another_one() -> None:
    instances = Instances()
    instances.add([endpoint(1)])
    first = only(instances)
    instances.add([endpoint(1)])
    assert only(instances) is first
    instances.add([endpoint(1, address="unix:/y")])
    assert only(instances) is not first


def test_one_that_drains_takes_nothing_new_and_is_known_until_it_is_gone() -> None:
    instances = Instances()
    instances.apply(facts(1, endpoint(1), full=True))
    busy = only(instances)
    instances.begin(busy)
    assert instances.apply(facts(2, endpoint(1).model_copy(update={"draining": True})))
    assert instances.ready("a") == []
    assert ready(instances) == ["a-1"]
    instances.apply(facts(3, endpoint(1)))
    assert only(instances) is busy and busy.running == 1
    instances.apply(facts(4, gone=("a-1",)))
    assert ready(instances) == []


def test_nobody_is_ready_of_an_unknown_agent() -> None:
    instances = Instances()
    assert instances.ready("a") == []
    instances.drop("a-1")


def test_the_latency_is_a_mean_that_the_latest_call_moves() -> None:
    instances = Instances()
    instances.add([endpoint(1)])
    chosen = only(instances)
    for seconds in (1.0, 2.0):
        instances.begin(chosen)
        instances.end(chosen, seconds)
    assert chosen.latency == pytest.approx(1.2)


def test_a_failed_call_says_nothing_of_the_speed() -> None:
    instances = Instances()
    instances.add([endpoint(1)])
    chosen = only(instances)
    instances.begin(chosen)
    instances.end(chosen, None)
    assert (chosen.running, chosen.latency) == (0, 0.0)
