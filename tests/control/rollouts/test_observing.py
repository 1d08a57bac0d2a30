"""What host and gateway tell, as the machine of a rollout sees it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sutazai.control.rollouts.arms import Takeover, arms_of
from sutazai.control.rollouts.gathering import Gathering
from sutazai.control.rollouts.guarding import Guarding
from sutazai.control.rollouts.observing import World, copies, kept, settled, takeover
from sutazai.fleet.arms import ArmCounts, ArmsSeen, BreakerTrip
from sutazai.fleet.rollout_criteria import RolloutCriteria
from sutazai.fleet.rollout_findings import Verdict
from sutazai.fleet.rollouts import Arm, RolloutPlan, RolloutState, Stage, Step
from sutazai.fleet.spec import Agent, Runtime, Temperature
from sutazai.fleet.status import HostStatus, Level, PressureStatus, State
from sutazai.gateway.stats import GatewayStats
from sutazai.rollout.evidence.delivered import Trouble
from sutazai.rollout.evidence.judging import judge
from sutazai.rollout.evidence.tallies import Tally
from sutazai.rollout.machine import Copy, Health
from tests.control.rollouts.units import host, unit

STATE = RolloutState(
    id="rollout-1",
    before=6,
    after=7,
    plan=RolloutPlan(),
    stages=(Stage(name="all", agents=("ann",), lasts=60.0, compared=("ann",)),),
    step=Step.MEASURE,
    moved=("ann",),
    split=True,
    blue=("ann",),
    green=("ann",),
    baseline=("ann",),
    window=1,
)
FINISH = STATE.model_copy(
    update={"step": Step.FINISH, "phase": 1, "split": False, "blue": (), "baseline": ()}
)
PLAIN = Agent()
ALL = (unit("ann"), unit("ann@7", "new"), unit("ann@6"))


def world(
    seen: HostStatus | None, *arms: ArmCounts, agent: Agent = PLAIN, life: str = "a"
) -> World:
    return World(
        host=seen,
        arms=ArmsSeen(incarnation=life, arms=arms, running={"ann@7": 3}),
        agents={"ann": agent},
        versions={"ann": "new"},
    )


def test_every_arm_is_told_with_what_it_has_in_hand() -> None:
    found = copies(STATE, world(host(*ALL[:2])))
    assert found == {
        ("ann", Arm.BLUE): Copy(Health.HEALTHY, awake=True),
        ("ann", Arm.GREEN): Copy(Health.HEALTHY, 3, awake=True),
        ("ann", Arm.BASELINE): Copy(Health.ABSENT),
    }
    asleep = copies(STATE, world(host(unit("ann", state=State.ASLEEP))))
    assert asleep["ann", Arm.BLUE] == Copy(Health.HEALTHY)


@pytest.mark.parametrize(
    ("state", "health"),
    [
        (State.ASLEEP, Health.HEALTHY),
        (State.STARTING, Health.STARTING),
        (State.UNHEALTHY, Health.BROKEN),
        (State.FAILED, Health.BROKEN),
        (State.BACKING_OFF, Health.BROKEN),
    ],
)
def test_states_of_units_are_how_an_arm_is(state: State, health: Health) -> None:
    seen = host(unit("ann"), unit("ann@7", "new", state))
    assert copies(STATE, world(seen))["ann", Arm.GREEN].health is health


def test_nothing_is_known_while_the_host_is_away() -> None:
    assert copies(STATE, world(None)) == {}


def test_blue_is_gone_once_the_own_unit_runs_the_new_version_and_is_well() -> None:
    for own, gone in (
        (unit("ann", "new"), True),
        (unit("ann", "new", State.ASLEEP), True),
        (unit("ann", "new", State.STARTING), False),
        (unit("ann", "old", State.ASLEEP), False),
    ):
        seen = world(host(own))
        assert (copies(FINISH, seen)["ann", Arm.BLUE].health is Health.ABSENT) is gone
        assert (settled(FINISH, seen) == {"ann"}) is gone
    done = copies(FINISH, world(host(unit("ann", "new"))))
    assert done["ann", Arm.GREEN].health is Health.HEALTHY


def test_until_doors_have_turned_blue_stays_awake_and_green_that_is_replaced_stays() -> None:
    arms, turning = arms_of(STATE, {"ann": PLAIN}), {"ann"}
    assert arms.units["ann"][0].standby
    assert not kept(arms, STATE, world(host(*ALL)), turning).units["ann"][0].standby
    assert kept(arms, STATE, world(host(*ALL)), set()) == arms
    asleep = unit("ann").model_copy(update={"temperature": Temperature.WARM})
    assert kept(arms, STATE, world(host(asleep)), turning) == arms, "it was told already"
    done = world(host(unit("ann", "new"), unit("ann@7", "new")))
    ended = arms_of(FINISH, {"ann": PLAIN}, takeover(FINISH, done))
    assert [one.name for one in ended.units["ann"]] == ["ann"]
    (still,) = kept(ended, FINISH, done, turning).units.values()
    assert [one.name for one in still] == ["ann", "ann@7"]


def test_how_far_own_units_have_taken_the_new_version_on_is_known_by_the_host() -> None:
    green, ann = unit("ann@7", "new"), frozenset({"ann"})
    rising = world(host(unit("ann", "new", State.STARTING), green))
    assert takeover(FINISH, rising) == Takeover(ann)
    assert takeover(FINISH, world(host(unit("ann", "new"), green))) == Takeover(ann, ann)
    assert takeover(FINISH, world(host(unit("ann", "new")))) == Takeover(ann, ann, ann)
    assert takeover(FINISH, world(host(unit("ann"), green))) == Takeover()
    assert takeover(FINISH, world(None)) == Takeover()


def test_one_that_cannot_run_twice_has_one_version_at_a_time() -> None:
    program = Agent(runtime=Runtime.COMMAND, command=("serve",))
    found = copies(STATE, world(host(unit("ann", "new")), agent=program))
    assert {arm: copy.health for (_, arm), copy in found.items()} == {
        Arm.BLUE: Health.HEALTHY,
        Arm.GREEN: Health.HEALTHY,
        Arm.BASELINE: Health.HEALTHY,
    }


# evidence


def test_a_slice_is_what_both_arms_did_between_two_looks() -> None:
    gathering = Gathering()
    seen = host(
        unit("ann"),
        unit("ann@7", "new", one={"memory": 64, "cpu": 1.0}),
        unit("ann@6", one={"memory": 32, "cpu": 1.0}),
    )
    later = host(
        unit("ann"),
        unit("ann@7", "new", one={"memory": 64, "cpu": 2.0}),
        unit("ann@6", one={"memory": 32, "cpu": 1.5}),
    )
    green = ArmCounts(unit="ann@7", requests=5, tasks=5, tokens=(5, 10.0, 0.0))
    more = ArmCounts(
        unit="ann@7",
        requests=9,
        errors=1,
        latency={3: 4},
        tasks=7,
        tools=6,
        tools_failed=1,
        tokens=(7, 20.0, 875.0),
    )
    gathering.look(STATE, world(seen, green), 10.0, llm=True)
    assert gathering.evidence(STATE).slices == ()
    gathering.look(STATE, world(later, more), 12.0, llm=True)
    (found,) = gathering.evidence(STATE).slices
    assert (found.green.requests.of, found.green.requests.bad) == (4, 1)
    assert (found.green.tasks.of, found.green.latency.buckets) == (2, {3: 4})
    assert (found.green.tools, found.blue.tools) == (Tally(6, 1), Tally())
    assert (found.green.tokens.count, found.green.tokens.mean) == (2, 45.0)
    assert (found.green.cpu.mean, found.blue.cpu.mean) == (0.5, 0.25)
    assert (found.green.memory.mean, found.blue.memory.mean) == (64.0, 32.0)
    assert found.green.exposure == found.blue.exposure == 1.0


def test_what_instances_take_is_measured_at_some_looks_only() -> None:
    """Both values of a measurement are of its own time, and no value counts twice."""
    gathering = Gathering()

    def seen(**one: float) -> HostStatus:
        return host(unit("ann"), unit("ann@7", "new", one=one), unit("ann@6", one=one))

    looks = [{"memory": 64, "cpu": 1.0}, {}, {"memory": 96, "cpu": 2.0}, {}]
    for at, one in enumerate(looks):
        gathering.look(STATE, world(seen(**one)), 10.0 + 2 * at, llm=True)
    slices = gathering.evidence(STATE).slices
    assert [each.green.memory.count for each in slices] == [0, 1, 0]
    assert [each.green.cpu.count for each in slices] == [0, 1, 0]
    assert (slices[1].green.memory.mean, slices[1].green.cpu.mean) == (96.0, 0.25)


def test_a_gateway_that_counts_anew_makes_no_slice() -> None:
    gathering = Gathering()
    gathering.look(STATE, world(host(*ALL)), 10.0, llm=True)
    gathering.look(STATE, world(host(*ALL), life="b"), 12.0, llm=True)
    assert gathering.evidence(STATE).slices == ()


def test_trouble_that_hits_both_is_told_with_the_slice() -> None:
    gathering = Gathering()
    pressed = host(*ALL, pressure=PressureStatus(level=Level.CRITICAL))
    for at in (10.0, 12.0):
        gathering.look(STATE, world(pressed), at, llm=False)
    (found,) = gathering.evidence(STATE).slices
    assert found.trouble == (Trouble.LLM_DOWN, Trouble.HOST_PRESSURE)


def test_after_the_phases_what_the_old_version_did_in_them_stands_in() -> None:
    gathering = Gathering()
    old = [ArmCounts(unit="ann@6", requests=count) for count in (0, 8)]
    held = host(unit("ann"), unit("ann@7", "new"), unit("ann@6", one={"memory": 32}))
    for at, counts in zip((10.0, 12.0), old, strict=True):
        gathering.look(STATE, world(held, counts), at, llm=True)
    whole = STATE.model_copy(update={"split": False, "window": 2, "phase": 1})
    for at in (20.0, 60.0):
        gathering.look(whole, world(host(*ALL)), at, llm=True)
    (found,) = gathering.evidence(whole).slices
    assert found.blue.requests.of == 8


SWIFT = STATE.model_copy(update={"plan": RolloutPlan.model_validate({"validate": "60s"})})


def test_a_good_version_is_not_blamed_for_the_traffic_of_another_hour() -> None:
    """In phases it had half of the calls; in the end it has all of them, which are more, or less:
    each takes as much CPU time as ever."""
    whole = SWIFT.model_copy(update={"split": False, "window": 2, "phase": 1})
    for calls in (40, 12):
        gathering = Gathering()
        for at in range(60):
            gathering.look(SWIFT, working(20 * at, 20 * at), float(at), llm=True)
        for at in range(60):
            gathering.look(whole, working(calls * at, 0), 100.0 + at, llm=True)
        found = judge(RolloutCriteria(), gathering.evidence(whole))
        assert found.verdict is Verdict.PASS, found.reason


def test_nor_for_another_share_of_the_calls() -> None:
    plan = SWIFT.plan.model_copy(update={"canary": 80.0})
    most, gathering = SWIFT.model_copy(update={"plan": plan}), Gathering()
    for at in range(60):
        gathering.look(most, working(40 * at, 10 * at), float(at), llm=True)
    found = judge(RolloutCriteria(), gathering.evidence(most))
    assert found.verdict is Verdict.PASS, found.reason


def working(green: int, fresh: int) -> World:
    """Both arms did so many calls."""
    done = {"ann@7": green, "ann@6": fresh}
    units = (unit(name, one={"memory": 64, "cpu": 1 + n / 1_000}) for name, n in done.items())
    counts = (
        ArmCounts(unit=name, requests=n, tasks=n, latency={200: n}) for name, n in done.items()
    )
    return world(host(unit("ann"), *units), *counts)


def test_it_stands_beside_green_of_the_same_agents() -> None:
    gathering = Gathering()
    bob = Stage(name="rest", agents=("bob",), lasts=60.0, compared=("bob",))
    both = STATE.model_copy(update={"stages": (*STATE.stages, bob), "blue": ("ann", "bob")})
    names = ("ann@6", "ann@7", "bob@7")
    fresh = unit("ann@6", one={"memory": 32})
    units = host(*ALL[:2], fresh, unit("bob"), unit("bob@7", "new"))
    for at, each in ((10.0, 0), (12.0, 8)):
        counts = [ArmCounts(unit=name, requests=each) for name in names]
        gathering.look(both, world(units, *counts), at, llm=True)
    whole = both.model_copy(update={"split": False, "window": 2, "phase": 2})
    for at, each in ((20.0, 8), (60.0, 9)):
        counts = [ArmCounts(unit=name, requests=each) for name in names]
        gathering.look(whole, world(units, *counts), at, llm=True)
    (found,) = gathering.evidence(whole).slices
    assert (found.green.requests.of, found.blue.requests.of) == (1, 8), "bob was never compared"


# guards


def stats(*, llm: bool = True) -> GatewayStats:
    counts = ("done", "failed", "rejected", "expired", "cancelled", "tokens_in", "tokens_out")
    backend = {
        "name": "one",
        "available": llm,
        "reason": "",
        "slots": 1,
        "running": 0,
        "models": (),
    }
    return GatewayStats.model_validate(
        {
            "backends": [backend],
            "queued": {},
            "running": 0,
            "oldest_wait": 0.0,
            **dict.fromkeys(counts, 0),
            "uptime": 1.0,
            "incarnation": "a",
            "revision": 1,
        }
    )


def looks(*worlds: World, llm: bool = True) -> list[tuple[str, bool]]:
    """What the guards say at the last of some looks a second apart."""
    guarding = Guarding(RolloutCriteria())
    for at, each in enumerate(worlds):
        found = guarding.look(STATE, each, stats(llm=llm), float(at))
    return [(one.words, one.environment) for one in found]


def test_a_crash_of_the_new_version_is_seen_at_once() -> None:
    crashed = host(unit("ann"), unit("ann@7", "new", State.BACKING_OFF, restarts=1), unit("ann@6"))
    ((words, environment),) = looks(world(host(*ALL)), world(crashed))
    assert "crashed once" in words and not environment


def test_errors_in_bursts_are_the_new_versions_unless_the_model_is_away() -> None:
    bad = ArmCounts(unit="ann@7", requests=40, errors=30, tasks=40, failed=30)
    ((words, environment),) = looks(world(host(*ALL)), world(host(*ALL), bad))
    assert "30 of 40 requests failed" in words and not environment
    assert all(shared for _, shared in looks(world(host(*ALL)), world(host(*ALL), bad), llm=False))


def test_memory_is_as_it_was_measured_last() -> None:
    full = {"memory": 95, "limit": 100}
    measured = host(unit("ann"), unit("ann@7", "new", one=full), unit("ann@6"))
    for worlds in ([measured], [measured, host(*ALL)]):
        ((words, environment),) = looks(*map(world, worlds))
        assert "memory at 95% of its limit" in words and not environment


def test_counts_that_begin_anew_are_no_negative_ones() -> None:
    many = ArmCounts(unit="ann@7", requests=40, tasks=40)
    assert looks(world(host(*ALL), many), world(host(*ALL))) == []


def test_a_canary_that_answers_and_does_nothing_is_dead() -> None:
    dead = ArmCounts(unit="ann@7", requests=40, tasks=40, failed=40)
    well = ArmCounts(unit="ann@6", requests=40, tasks=40)
    ((words, _),) = looks(world(host(*ALL)), world(host(*ALL), dead, well))
    assert "finished none" in words


def test_one_that_never_finished_anything_is_compared_by_all_that_was_since_the_beginning() -> None:
    """One call a minute each: in any minute there is too little to tell."""
    once = [
        world(
            host(*ALL),
            ArmCounts(unit="ann@7", requests=calls, tasks=calls, failed=calls),
            ArmCounts(unit="ann@6", requests=calls, tasks=calls),
        )
        for calls in range(13)
    ]
    guarding = Guarding(RolloutCriteria())
    found = [guarding.look(STATE, each, stats(), 60.0 * at) for at, each in enumerate(once)]
    assert not any(found[:12])
    assert "took 12 with a good status and finished none" in found[12][0].words


def test_where_the_fresh_old_version_does_nothing_either_the_new_one_is_not_dead() -> None:
    dead = ArmCounts(unit="ann@7", requests=40, tasks=40, failed=40)
    fresh = ArmCounts(unit="ann@6", requests=40, tasks=40, failed=40)
    own = ArmCounts(unit="ann", requests=400, tasks=400)
    assert looks(world(host(*ALL), own), world(host(*ALL), own, dead, fresh)) == []


def tripped(*units: tuple[str, ...], probe: bool = False) -> World:
    """A breaker has opened, each time by calls for these units."""
    trips = tuple(
        BreakerTrip(number=number, backend="one", model="m", units=each, probe=probe)
        for number, each in enumerate(units, 1)
    )
    seen = world(host(*ALL))
    assert seen.arms is not None
    return replace(seen, arms=seen.arms.model_copy(update={"trips": trips}))


def test_a_breaker_that_opens_again_and_again_by_the_new_versions_calls_alone_is_its_trouble() -> (
    None
):
    alone = tripped(*[("ann@7",)] * 4)
    ((words, environment),) = looks(tripped(), alone)
    assert "4 breaker trips in a minute" in words and not environment
    assert looks(tripped(*[("ann@7",)] * 2), alone) == [], "two of them were before"
    assert looks(tripped(), tripped(*[("ann",)] * 4)) == []


def test_one_that_opens_by_the_calls_of_others_too_is_the_llms_trouble() -> None:
    for units in (("", "ann@7"), ("ann@6", "ann@7")):
        ((_, environment),) = looks(tripped(), tripped(*[units] * 4))
        assert environment


def test_a_model_that_is_dead_by_probes_is_the_new_versions_unless_none_can_be_had() -> None:
    dead = tripped(*[("ann@7",)] * 4, probe=True)
    assert [shared for _, shared in looks(tripped(), dead)] == [False]
    assert [shared for _, shared in looks(tripped(), dead, llm=False)] == [True]


def test_no_guard_trips_while_nobody_can_tell() -> None:
    assert looks(world(None)) == []
