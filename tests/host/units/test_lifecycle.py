"""What is decided about a unit, over any state that it can be in."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.status import State
from sutazai.host.units.backoff import Backoff
from sutazai.host.units.lifecycle import LookAgain, Observation, Seen, Start, Stop, decide

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


instances = st.builds(
    Seen,
    instance=st.uuids().map(str),
    version=st.sampled_from([NEW, OLD]),
    state=st.sampled_from([State.STARTING, State.HEALTHY, State.UNHEALTHY, State.STOPPING]),
    since=st.floats(0, 100),
    failures=st.integers(0, 5),
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
    left = [i for i in seen.instances if i.instance not in stopping | set(stops)]
    current = [i for i in left if i.version == NEW]
    assert starts == 0 or len(current) + starts <= seen.wanted


@given(observations)
def test_the_last_healthy_instance_is_never_given_up_for_a_version_that_is_not_well(
    seen: Observation,
) -> None:
    healthy_old = [i for i in seen.instances if i.version == OLD and i.state is State.HEALTHY]
    healthy_new = [i for i in seen.instances if i.version == NEW and i.state is State.HEALTHY]
    if seen.side_by_side and seen.wanted > 0 and len(healthy_new) < seen.wanted and healthy_old:
        stopped = {action.instance for action in decide(seen) if isinstance(action, Stop)}
        assert not stopped & {i.instance for i in healthy_old}
