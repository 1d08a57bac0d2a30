"""What is decided about a unit, over any state that it can be in."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.status import State
from sutazai.host.units.backoff import Backoff
from sutazai.host.units.lifecycle import (
    Drain,
    LookAgain,
    Observation,
    Renewed,
    Seen,
    Start,
    Stop,
    decide,
    missing,
    recycled_at,
)

NEW, OLD = "new", "old"


def unit(*instances: Seen, wanted: int = 1, **changes: object) -> Observation:
    seen = Observation(
        now=100.0,
        wanted=wanted,
        version=NEW,
        side_by_side=True,
        grace=30.0,
        failures_allowed=3,
        backoff=Backoff(),
        instances=instances,
    )
    return replace(seen, **changes)  # type: ignore[arg-type]


def one(
    state: State = State.HEALTHY, version: str = NEW, *, name: str = "a", **facts: object
) -> Seen:
    seen = Seen(instance=name, version=version, state=state, since=90.0)
    return replace(seen, **facts)  # type: ignore[arg-type]


def test_a_missing_instance_is_started() -> None:
    assert decide(unit()) == [Start()]


def test_what_is_as_wanted_is_left_alone() -> None:
    assert decide(unit(one())) == []


def test_what_nobody_wants_is_ended() -> None:
    assert decide(unit(one(), wanted=0)) == [Stop("a", "no longer wanted", wanted=True)]


def test_nothing_starts_before_its_back_off_is_over() -> None:
    assert decide(unit(backoff=Backoff(ends=2, start_at=101.0))) == [LookAgain(101.0)]


def test_a_failed_unit_is_left_alone() -> None:
    assert decide(unit(backoff=Backoff(ends=8, failed=True))) == []


def test_nothing_starts_before_what_it_depends_on() -> None:
    assert decide(unit(blocked_by=("database",))) == []


def test_a_new_version_starts_beside_the_old_one_which_goes_when_the_new_one_is_well() -> None:
    old = one(version=OLD, name="old")
    assert decide(unit(old)) == [Start()]
    assert decide(unit(old, one(State.STARTING))) == [LookAgain(120.0)]
    assert decide(unit(old, one())) == [Stop("old", "replaced by a new version", wanted=True)]


def test_where_both_would_share_a_port_the_old_version_ends_first() -> None:
    old = one(version=OLD, name="old")
    assert decide(unit(old, side_by_side=False)) == [
        Stop("old", "replaced by a new version", wanted=True)
    ]
    assert decide(unit(replace(old, state=State.STOPPING), side_by_side=False)) == []
    assert decide(unit(side_by_side=False)) == [Start()]


def test_failed_checks_end_an_instance_and_another_one_starts() -> None:
    sick = one(State.UNHEALTHY, failures=3)
    assert decide(unit(sick)) == [
        Stop("a", "3 health checks in a row failed", wanted=False),
        Start(),
    ]
    assert decide(unit(replace(sick, failures=2))) == []


def test_a_start_that_takes_too_long_is_given_up() -> None:
    stuck = one(State.STARTING, since=60.0)
    assert decide(unit(stuck))[0] == Stop("a", "not healthy 30 s after its start", wanted=False)


def test_no_more_start_than_have_their_turn() -> None:
    assert missing(unit(wanted=5)) == 5
    assert decide(unit(wanted=5, turns=2)) == [Start(), Start()]
    assert decide(unit(wanted=5, turns=0)) == []
    assert missing(unit(wanted=5, blocked_by=("database",))) == 0


def test_what_is_older_than_its_dependency_is_replaced_the_new_one_first() -> None:
    before = unit(one(since=80.0), renewed=(Renewed("database", 70.0),))
    assert decide(before) == []

    after = replace(before, renewed=(Renewed("database", 85.0),))
    assert decide(after) == [Start()]
    fresh = one(name="b", since=95.0)
    assert decide(replace(after, instances=(*after.instances, fresh))) == [
        Stop("a", "database was restarted", wanted=True)
    ]
    assert decide(replace(after, side_by_side=False)) == [
        Stop("a", "database was restarted", wanted=True)
    ]


def test_what_has_grown_old_is_recycled_one_at_a_time_behind_a_new_one() -> None:
    old, older = one(since=-90.0), one(name="b", since=-99.0)
    seen = unit(old, older, wanted=2, recycle_after=100.0)
    assert [action for action in decide(seen) if isinstance(action, Start)] == [Start()]

    fresh = one(name="c", since=99.0)
    seen = replace(seen, instances=(old, older, fresh))
    assert Drain("b", 199.0) in decide(seen)
    seen = replace(seen, instances=(old, replace(older, draining=True), fresh))
    assert not [action for action in decide(seen) if not isinstance(action, LookAgain)]
    seen = replace(seen, instances=(old, replace(older, draining=True, drained=True), fresh))
    assert Stop("b", "recycled after 3.3m", wanted=True) in decide(seen)
    seen = replace(seen, instances=(old, fresh))
    assert Start() in decide(seen), "and now the other one"


def test_where_a_new_one_cannot_start_the_old_one_stays() -> None:
    seen = unit(one(since=-500.0), recycle_after=100.0)
    assert decide(replace(seen, blocked_by=("memory",))) == []
    assert decide(replace(seen, backoff=Backoff(ends=8, failed=True))) == []


def test_nobody_wants_a_unit_whose_old_instance_still_works() -> None:
    seen = unit(one(draining=True), one(name="b"), wanted=0, recycle_after=1000.0)
    stops = [action for action in decide(seen) if isinstance(action, Stop)]
    assert {stop.instance for stop in stops} == {"a", "b"}


def test_instances_that_were_started_together_are_recycled_apart() -> None:
    seen = unit(recycle_after=3600.0)
    times = [recycled_at(seen, one(name=f"agent-{number}")) for number in range(50)]
    assert all(at is not None and 3690.0 <= at <= 3690.0 + 360.0 for at in times)
    assert len(set(times)) == 50


instances = st.builds(
    Seen,
    instance=st.uuids().map(str),
    version=st.sampled_from([NEW, OLD]),
    state=st.sampled_from([State.STARTING, State.HEALTHY, State.UNHEALTHY, State.STOPPING]),
    since=st.floats(0, 100),
    failures=st.integers(0, 5),
    draining=st.booleans(),
    drained=st.booleans(),
)
observations = st.builds(
    Observation,
    now=st.just(100.0),
    wanted=st.integers(0, 5),
    version=st.just(NEW),
    side_by_side=st.booleans(),
    grace=st.floats(1, 60),
    failures_allowed=st.integers(1, 5),
    backoff=st.builds(
        Backoff, ends=st.integers(0, 8), start_at=st.floats(0, 200), failed=st.booleans()
    ),
    blocked_by=st.sampled_from([(), ("database",)]),
    turns=st.integers(0, 3),
    renewed=st.sampled_from([(), (Renewed("database", 50.0),)]),
    recycle_after=st.sampled_from([None, 30.0]),
    instances=st.lists(instances, max_size=6, unique_by=lambda seen: seen.instance).map(tuple),
)


@given(observations)
def test_never_more_starts_than_are_missing_and_no_instance_is_ended_twice(
    seen: Observation,
) -> None:
    actions = decide(seen)
    stops = [action.instance for action in actions if isinstance(action, Stop)]
    starts = sum(isinstance(action, Start) for action in actions)
    stopping = {i.instance for i in seen.instances if i.state is State.STOPPING}
    assert len(stops) == len(set(stops))
    assert not stopping & set(stops)
    assert starts <= min(seen.turns, missing(seen))
    left = [i for i in seen.instances if i.instance not in stopping | set(stops)]
    current = [i for i in left if i.version == NEW and i.since >= 50.0 and not i.draining]
    old = seen.recycle_after is not None
    assert starts == 0 or len(current) + starts <= seen.wanted + old


@given(observations)
def test_one_instance_of_a_unit_is_recycled_at_a_time(seen: Observation) -> None:
    drained = [action for action in decide(seen) if isinstance(action, Drain)]
    since = max((needed.since for needed in seen.renewed), default=0.0)
    leaves = [
        one
        for one in seen.instances
        if one.draining and (one.version, one.state) == (NEW, State.HEALTHY) and one.since >= since
    ]
    assert len(drained) <= (0 if leaves else 1)


@given(observations)
def test_the_last_healthy_instance_is_never_given_up_for_a_version_that_is_not_well(
    seen: Observation,
) -> None:
    healthy_old = [i for i in seen.instances if i.version == OLD and i.state is State.HEALTHY]
    healthy_new = [i for i in seen.instances if i.version == NEW and i.state is State.HEALTHY]
    if seen.side_by_side and seen.wanted > 0 and len(healthy_new) < seen.wanted and healthy_old:
        stopped = {action.instance for action in decide(seen) if isinstance(action, Stop)}
        assert not stopped & {i.instance for i in healthy_old}
