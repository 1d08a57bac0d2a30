"""Rollouts as they go: well, badly in every way that is known, and with persons who speak."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from sutazai.fleet.errors import Conflict
from sutazai.fleet.rollout_findings import Verdict
from sutazai.fleet.rollouts import Arm, Step
from sutazai.rollout.machine import (
    MAX_STEP,
    AskVerdict,
    Check,
    Command,
    Drain,
    Ensure,
    Health,
    Preflight,
    RehearseRollback,
    Replay,
    Route,
    Stop,
    TakeBackup,
    Tripped,
    runs,
    sentence,
)
from sutazai.rollout.machine.steps import HISTORY
from tests.rollout.machine.world import World

PHASE = [Step.BASELINE_UP, Step.SHIFT, Step.WARM, Step.MEASURE, Step.SETTLE]
OPEN = [Step.PENDING, *PHASE, Step.VALIDATE, Step.BAKE, Step.FINISH]
MOVED = [*PHASE[1:], Step.VALIDATE, Step.BAKE, Step.FINISH]
BACK = [Step.ABORTING, Step.ROLLED_BACK]


def kinds(world: World) -> set[type[object]]:
    return {type(decision) for decision in world.look()}


# ---- as it should be


def test_a_good_version_goes_to_all_phase_by_phase_and_blue_ends_at_last() -> None:
    world = World(10)
    world.run_to(Step.SUCCEEDED)
    world.look()
    assert world.steps == OPEN[:6] + PHASE + OPEN[6:] + [Step.SUCCEEDED]
    assert world.seconds_in[Step.MEASURE] >= 20
    assert world.seconds_in[Step.BAKE] >= 20
    assert world.of(Arm.GREEN) == set(world.state.agents)
    assert world.told[-1] == "all 10 agents run the new version"
    assert world.look() == []


def test_it_begins_with_a_backup_and_the_way_back_gone_once() -> None:
    world = World()
    world.preflight = Preflight()
    assert {TakeBackup, RehearseRollback} <= kinds(world)
    assert not {TakeBackup, RehearseRollback} & kinds(world), "done, so not asked again"
    assert world.state.step is Step.PENDING
    assert "waits for backends" in sentence(world.state, world.now)
    world.preflight = replace(world.preflight, backends=Check.GOOD, baselines=Check.GOOD)
    world.run_to(Step.BASELINE_UP)


def test_a_cohort_is_measured_with_a_fresh_baseline_beside_some_and_then_moved_whole() -> None:
    world = World(10)
    world.run_to(Step.MEASURE)
    first, second, *_, last = world.state.agents
    assert world.state.compared == (first,)
    assert world.table[first] == {Arm.BLUE: 0, Arm.GREEN: 0.5, Arm.BASELINE: 0.5}
    assert world.table[second] == {Arm.BLUE: 0, Arm.GREEN: 1, Arm.BASELINE: 0}
    assert world.table[last] == {Arm.BLUE: 1, Arm.GREEN: 0, Arm.BASELINE: 0}
    assert world.of(Arm.GREEN) == set(world.state.cohort)
    assert runs(world.state)[first] == (Arm.BLUE, Arm.GREEN, Arm.BASELINE)
    world.run_to(Step.BASELINE_UP)
    assert world.whole(Arm.GREEN) == set(world.state.agents[:3])
    world.run_to(Step.MEASURE)
    assert world.of(Arm.BASELINE) == set(world.state.compared) == {"agent-3"}, "a fresh one"
    assert world.of(Arm.BLUE) == set(world.state.agents), "all of blue stays ready"


def test_a_few_move_at_a_time_and_only_a_tenth_more_is_awake_at_any_moment() -> None:
    world = World(131, phases=[{"percent": share, "for": "10s"} for share in (10, 25, 50, 100)])
    most = 0
    while world.state.is_open:
        world.run(1)
        if world.state.step is not Step.FINISH:
            most = max(most, world.beside())
    assert world.state.step is Step.SUCCEEDED
    assert 9 < most <= 131 // 10
    assert [len(stage.compared) for stage in world.state.stages] == [9, 9, 9, 9]


def test_a_blue_that_still_works_makes_no_room_before_its_time_is_over() -> None:
    world = World(10, phases=[{"percent": 100, "for": "10s"}])
    world.put("agent-0", Arm.BLUE, Health.HEALTHY, in_hand=3)
    world.run_to(Step.BASELINE_UP)
    world.run(10)
    assert world.state.moved == ("agent-0",)
    world.run_to(Step.MEASURE)
    assert world.health("agent-0", Arm.BLUE) is Health.HEALTHY
    assert world.copies["agent-0", Arm.BLUE].in_hand == 3, "its work was never cut off"


def test_without_a_share_for_it_there_is_no_baseline() -> None:
    world = World(10, canary=100)
    world.run_to(Step.MEASURE)
    assert world.whole(Arm.GREEN) == set(world.state.cohort)
    (asked,) = [one for one in world.look() if isinstance(one, AskVerdict)]
    assert not asked.split
    assert not world.of(Arm.BASELINE)
    world.run_to(Step.SUCCEEDED)
    assert world.of(Arm.GREEN) == set(world.state.agents)


def test_green_gets_nothing_before_all_of_it_is_healthy() -> None:
    world = World(10)
    agent = world.state.agents[0]
    world.duds.add((agent, Arm.GREEN))
    world.run(10)
    assert world.state.step is Step.BASELINE_UP and world.served == 0
    assert Ensure(Arm.GREEN, (agent,)) in world.look()
    world.duds.clear()
    world.run_to(Step.WARM)


def test_the_verdict_is_asked_for_with_the_window_that_it_is_about() -> None:
    world = World(10)
    world.run_to(Step.MEASURE)
    world.run(3)
    (asked,) = [one for one in world.look() if isinstance(one, AskVerdict)]
    assert asked.cohort == world.state.compared == ("agent-0",) and asked.split
    assert (asked.window, asked.target) == (1, 10)
    assert asked.since + asked.seconds == world.now
    world.run_to(Step.VALIDATE)
    (asked,) = [one for one in world.look() if isinstance(one, AskVerdict)]
    assert (asked.window, asked.target, asked.cohort) == (3, 5, world.state.agents)


def test_an_early_pass_does_not_shorten_a_phase_and_an_old_verdict_counts_for_nothing() -> None:
    world = World(10)
    world.run_to(Step.MEASURE)
    world.run(9)
    assert world.judged and world.judged.verdict is Verdict.PASS
    assert world.state.step is Step.MEASURE
    world.run_to(Step.SETTLE)
    old, world.judges = world.judged, None
    world.run_to(Step.MEASURE)
    world.judged = old
    world.run(20)
    assert world.state.step is Step.MEASURE


# ---- what goes wrong


def test_green_that_never_gets_healthy_is_given_up_and_nothing_was_moved() -> None:
    world = World(10)
    world.duds = {(agent, Arm.GREEN) for agent in world.state.agents}
    world.run_to(Step.ROLLED_BACK)
    assert world.served == 0
    assert world.state.failed == "not healthy within 20s: green of agent-0"
    assert world.of(Arm.BLUE) == world.of(Arm.GREEN, Health.ABSENT) == set(world.state.agents)


@pytest.mark.parametrize("step", MOVED)
def test_a_guard_brings_all_back_with_one_change_wherever_it_stands(step: Step) -> None:
    world = World(10)
    world.run_to(step)
    before = world.state.generation
    world.guards = (Tripped("agent-0 ran out of memory"),)
    routes = [one for one in world.look() if isinstance(one, Route)]
    assert [one.generation for one in routes] == [before + 1]
    world.pass_time()
    assert world.whole(Arm.BLUE) == set(world.state.agents), "within one look"
    world.guards = ()
    world.run_to(Step.ROLLED_BACK)
    assert world.state.generation == before + 1
    assert world.state.failed == "agent-0 ran out of memory"


def test_a_green_that_falls_is_left_at_once_and_during_what_is_told() -> None:
    world = World(10)
    world.run_to(Step.BAKE)
    world.guards = (Tripped("the host is short of memory", environment=True),)
    world.put("agent-7", Arm.GREEN, Health.BROKEN)
    world.run_to(*BACK)
    assert world.state.failed == (
        "the new version of agent-7 is not healthy, while the host is short of memory"
    )


@pytest.mark.parametrize("step", [Step.MEASURE, Step.VALIDATE, Step.BAKE])
def test_worse_evidence_does_not_wait_for_the_end_of_its_window(step: Step) -> None:
    world = World(10)
    world.run_to(step)
    world.judges = Verdict.FAIL
    world.run(3)
    assert world.state.step in BACK
    assert world.state.failed.startswith("fail by")


def test_green_ends_only_after_the_gateway_has_confirmed_and_the_work_is_done() -> None:
    world = World(10)
    world.run_to(Step.BAKE)
    world.late = True
    world.put("agent-0", Arm.GREEN, Health.HEALTHY, in_hand=3)
    world.say(Command.ABORT)
    world.run(30)
    assert world.state.step is Step.ABORTING
    assert world.of(Arm.GREEN) == set(world.state.agents), "the gateway still serves them"
    world.confirm()
    world.look()
    assert next(one for one in world.decided if isinstance(one, Drain)).agents == ("agent-0",)
    world.run(2)
    assert world.of(Arm.GREEN) == {"agent-0"}
    world.run_to(Step.ROLLED_BACK)


def test_work_without_an_end_is_cut_off_by_the_deadline() -> None:
    world = World(10)
    world.run_to(Step.BAKE)
    world.say(Command.ABORT)
    world.put("agent-0", Arm.GREEN, Health.HEALTHY, in_hand=10_000)
    world.run(8)
    assert world.of(Arm.GREEN) == {"agent-0"}
    world.run(8)
    assert world.state.step is Step.ROLLED_BACK


def test_while_the_gateway_is_gone_it_keeps_asking_and_nothing_ends() -> None:
    world = World(10)
    world.run_to(Step.SHIFT)
    world.gateway_up = False
    for _ in range(200):
        world.look()
        assert any(isinstance(one, Route) for one in world.decided)
        assert not any(isinstance(one, Stop) for one in world.decided)
        world.pass_time()
    assert world.state.step is Step.SHIFT
    world.gateway_up = True
    world.run_to(Step.WARM)


def test_a_gateway_that_came_back_with_old_weights_is_told_again_and_time_stands_still() -> None:
    world = World(10)
    world.run_to(Step.BAKE)
    elapsed = world.state.elapsed
    world.served, world.inbox, world.late = 1, [1], True
    world.run(10)
    assert any(isinstance(one, Route) for one in world.decided)
    assert world.state.elapsed == elapsed
    world.late = False
    world.run_to(Step.SUCCEEDED)


def test_the_only_healthy_copy_is_not_ended_where_blue_broke_meanwhile() -> None:
    world = World(10)
    world.run_to(Step.BAKE)
    world.put("agent-3", Arm.BLUE, Health.BROKEN)
    world.duds.add(("agent-3", Arm.BLUE))
    world.guards = (Tripped("tasks fail"),)
    world.run_to(Step.HALTED)
    world.run(100)
    assert world.state.step is Step.HALTED
    assert world.whole(Arm.GREEN) == world.of(Arm.GREEN) == {"agent-3"}
    assert "the old version of agent-3 is broken" in sentence(world.state, world.now)
    world.duds.clear()
    world.run_to(Step.ROLLED_BACK)
    assert world.whole(Arm.BLUE) == set(world.state.agents)


def test_where_the_baseline_alone_is_well_nobody_is_sent_to_a_broken_green() -> None:
    world = World(1, canary=50)
    world.run_to(Step.MEASURE)
    for arm in (Arm.BLUE, Arm.GREEN):
        world.put("agent-0", arm, Health.BROKEN)
        world.duds.add(("agent-0", arm))
    world.guards = (Tripped("tasks fail"),)
    world.run_to(Step.HALTED)
    world.run(50)
    assert world.whole(Arm.BLUE) == world.of(Arm.BASELINE) == {"agent-0"}
    world.duds.clear()
    world.run_to(Step.ROLLED_BACK)


def test_who_was_sent_back_while_the_gateway_was_gone_is_not_sent_forward_again() -> None:
    world = World(2)
    world.run_to(Step.BAKE)
    world.put("agent-0", Arm.BLUE, Health.BROKEN)
    world.guards, world.gateway_up = (Tripped("tasks fail"),), False
    world.look()
    world.put("agent-1", Arm.BLUE, Health.BROKEN)
    world.duds.add(("agent-1", Arm.BLUE))
    world.run(20)
    world.gateway_up = True
    world.run(20)
    assert world.whole(Arm.BLUE) == {"agent-0", "agent-1"}
    assert "agent-1" in world.of(Arm.GREEN), "which is kept alive"
    world.duds.clear()
    world.run_to(Step.ROLLED_BACK)


def test_a_person_can_leave_those_whose_old_version_is_broken() -> None:
    world = World(10)
    world.run_to(Step.BAKE)
    world.duds.add(("agent-3", Arm.BLUE))
    world.put("agent-3", Arm.BLUE, Health.BROKEN)
    world.say(Command.ABORT)
    world.run_to(Step.HALTED)
    world.say(Command.ABORT)
    world.run_to(Step.ROLLED_BACK)
    assert world.of(Arm.GREEN) == {"agent-3"} == set(world.state.moved)
    assert Arm.GREEN in runs(world.state)["agent-3"]
    assert world.state.reason.endswith("left as they were: agent-3")


def test_blue_that_was_asleep_may_take_a_moment_to_be_there_again() -> None:
    world = World(10)
    world.run_to(Step.BAKE)
    world.say(Command.ABORT)
    world.put("agent-3", Arm.BLUE, Health.STARTING)
    world.run_to(Step.ROLLED_BACK)
    assert Step.HALTED not in world.steps


def test_blue_that_breaks_after_it_has_the_work_again_keeps_green_alive() -> None:
    world = World(10)
    world.run_to(Step.BAKE)
    world.say(Command.ABORT)
    world.put("agent-3", Arm.GREEN, Health.HEALTHY, in_hand=10_000)
    world.run(3)
    world.put("agent-3", Arm.BLUE, Health.BROKEN)
    world.duds.add(("agent-3", Arm.BLUE))
    world.run(50)
    assert world.state.step is Step.HALTED
    assert "agent-3" in world.of(Arm.GREEN)
    assert world.whole(Arm.GREEN) == set(), "never through the canary again"


def test_after_the_bake_a_broken_green_brings_blue_back_even_where_it_had_ended() -> None:
    world = World(10)
    world.run_to(Step.FINISH)
    world.put("agent-0", Arm.BLUE, Health.HEALTHY, in_hand=5)
    world.run(2)
    assert world.of(Arm.BLUE) == {"agent-0"}
    world.put("agent-0", Arm.GREEN, Health.BROKEN)
    world.run_to(Step.ROLLED_BACK)
    assert world.of(Arm.BLUE) == set(world.state.agents)


def test_a_baseline_that_breaks_sends_its_agents_back_and_the_phase_begins_anew() -> None:
    world = World(10)
    world.run_to(Step.MEASURE)
    for times in (1, 2, 3):
        assert world.state.tries == times
        world.run_to(Step.MEASURE)
        world.put("agent-0", Arm.BASELINE, Health.BROKEN)
        world.look()
        world.pass_time()
        assert "agent-0" in world.whole(Arm.BLUE)
        assert world.whole(Arm.GREEN) == ({"agent-1", "agent-2"} if times < 3 else set())
    world.run_to(Step.ROLLED_BACK)
    assert "the old version does not last either" in world.state.failed


def test_a_failed_backup_ends_it_before_it_begins() -> None:
    world = World()
    world.preflight = Preflight(backup=Check.BAD, why="the disk is full")
    world.run_to(Step.ROLLED_BACK)
    assert world.state.failed == "preflight failed: the disk is full"


def test_preflight_has_a_deadline() -> None:
    world = World()
    world.preflight = Preflight(backup=Check.GOOD, rehearsal=Check.GOOD)
    world.run_to(Step.ROLLED_BACK)
    assert world.state.failed == "preflight was not done within 30s: backends, baselines"


# ---- evidence that says nothing


def inconclusive(policy: str) -> World:
    world = World(10, no_traffic=policy)
    world.run_to(Step.MEASURE)
    world.judges = Verdict.INCONCLUSIVE
    return world


def test_ask_waits_for_a_person_and_moves_nothing_meanwhile() -> None:
    world = inconclusive("ask")
    world.run_to(Step.INCONCLUSIVE)
    served = world.served
    world.run(300)
    assert world.state.step is Step.INCONCLUSIVE and world.served == served
    assert "waits for a person" in sentence(world.state, world.now)
    world.say(Command.PROMOTE)
    assert world.steps[-1] is Step.SETTLE
    assert world.state.reason.endswith("promoted by ada")


def test_extend_goes_on_as_long_as_is_declared_and_then_asks() -> None:
    world = inconclusive("extend")
    world.run_to(Step.INCONCLUSIVE)
    assert world.state.window == 1
    assert 25 <= world.seconds_in[Step.MEASURE] <= 28


def test_extend_passes_when_traffic_comes_after_all() -> None:
    world = inconclusive("extend")
    world.run(12)
    world.judges = Verdict.PASS
    world.run_to(Step.SETTLE)


def replayed(world: World) -> list[Replay]:
    return [one for one in world.decided if isinstance(one, Replay)]


def test_replay_gives_both_versions_recorded_work_once_the_declared_time_has_said_nothing() -> None:
    world = inconclusive("replay")
    world.run(10)
    assert not world.state.extended and not replayed(world)
    world.run(4)
    arms = (Arm.GREEN, Arm.BASELINE)
    assert replayed(world) == [Replay(world.state.window, world.state.compared, arms)]
    world.guards = (Tripped("the LLM is down", environment=True),)
    world.run(2)
    assert not replayed(world), "nothing can be learnt meanwhile"
    world.guards = ()
    world.run_to(Step.INCONCLUSIVE)
    assert not replayed(world)


def test_after_the_phases_the_new_version_alone_does_what_both_did() -> None:
    world = World(10, no_traffic="replay")
    world.run_to(Step.VALIDATE)
    world.judges = Verdict.INCONCLUSIVE
    world.run(8)
    compared = tuple(agent for stage in world.state.stages for agent in stage.compared)
    assert replayed(world) == [Replay(world.state.window, compared, (Arm.GREEN,))]


def test_wait_waits_for_ever_and_never_passes_for_want_of_data() -> None:
    world = inconclusive("wait")
    world.run(500)
    assert world.state.step is Step.MEASURE
    world.judges = Verdict.PASS
    world.run_to(Step.SUCCEEDED, most=500)


def test_trouble_of_the_house_is_not_green_s_fault_and_what_was_measured_counts_no_more() -> None:
    world = World(10)
    world.run_to(Step.MEASURE)
    world.run(8)
    world.guards = (Tripped("the LLM is down", environment=True),)
    world.run(10)
    assert world.state.step is Step.MEASURE
    assert "held up by: the LLM is down" in sentence(world.state, world.now)
    world.guards = ()
    world.run(5)
    assert (world.state.step, world.state.window) == (Step.MEASURE, 2)
    world.run_to(Step.SETTLE)


def test_trouble_that_lasts_is_a_person_s_to_decide() -> None:
    world = World(10)
    world.run_to(Step.MEASURE)
    world.guards = (Tripped("the LLM is down", environment=True),)
    world.run_to(Step.INCONCLUSIVE)
    assert world.state.reason == "inconclusive: the LLM is down"


def test_where_neither_version_is_well_it_holds_still() -> None:
    world = World(10)
    world.run_to(Step.BAKE)
    for arm in (Arm.GREEN, Arm.BLUE):
        world.put("agent-2", arm, Health.BROKEN)
        world.duds.add(("agent-2", arm))
    world.run(100)
    assert world.state.step is Step.BAKE
    assert world.state.trouble == "neither version of agent-2 is healthy"


# ---- persons, clocks and ends


@pytest.mark.parametrize("step", OPEN)
def test_a_pause_holds_it_where_it_is_and_loses_nothing(step: Step) -> None:
    world = World(10)
    world.run_to(step)
    elapsed = world.state.elapsed
    world.say(Command.PAUSE)
    world.run(200)
    assert world.state.step is Step.PAUSED
    assert f"paused by ada in {step}" in sentence(world.state, world.now)
    world.say(Command.RESUME)
    assert (world.state.step, world.state.elapsed) == (step, elapsed)
    world.run_to(Step.SUCCEEDED)


def test_a_pause_does_not_hold_up_the_way_back() -> None:
    world = World(10)
    world.run_to(Step.MEASURE)
    world.say(Command.PAUSE)
    world.guards = (Tripped("breaker trips"),)
    world.run_to(Step.ROLLED_BACK)


@pytest.mark.parametrize(
    ("step", "then"),
    [
        (Step.WARM, Step.SETTLE),
        (Step.MEASURE, Step.SETTLE),
        (Step.VALIDATE, Step.BAKE),
        (Step.BAKE, Step.FINISH),
    ],
)
def test_a_person_s_word_stands_in_for_evidence(step: Step, then: Step) -> None:
    world = World(10)
    world.run_to(step)
    world.say(Command.PROMOTE)
    assert world.state.step is then
    world.run_to(Step.SUCCEEDED)


@pytest.mark.parametrize("step", OPEN)
def test_a_person_can_abort_wherever_it_stands(step: Step) -> None:
    world = World(10)
    world.run_to(step)
    world.say(Command.ABORT)
    world.run_to(Step.ROLLED_BACK)
    assert world.whole(Arm.BLUE) == world.of(Arm.BLUE) == set(world.state.agents)
    assert world.state.failed == "aborted by ada"


@pytest.mark.parametrize(
    ("step", "command"),
    [
        (Step.PENDING, Command.PROMOTE),
        (Step.PENDING, Command.RESUME),
        (Step.SHIFT, Command.PROMOTE),
        (Step.PAUSED, Command.PAUSE),
        (Step.PAUSED, Command.PROMOTE),
        (Step.ABORTING, Command.PAUSE),
        (Step.ABORTING, Command.ABORT),
        *[(Step.SUCCEEDED, command) for command in Command],
        *[(Step.ROLLED_BACK, command) for command in Command],
    ],
)
def test_what_makes_no_sense_is_refused_with_a_hint(step: Step, command: Command) -> None:
    world = World(10)
    if step is Step.PAUSED:
        world.say(Command.PAUSE)
    elif step in BACK:
        world.run_to(Step.BAKE)
        world.say(Command.ABORT)
    world.run_to(step)
    before = world.state
    with pytest.raises(Conflict) as refused:
        world.say(command)
    assert refused.value.hint and refused.value.data == {"rollout": "r", "step": step}
    assert world.state == before


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_clock_that_jumps_passes_no_phase_and_no_deadline(jump: float) -> None:
    world = World(10, phases=[{"percent": 100, "for": "60s"}])
    world.run_to(Step.MEASURE)
    elapsed = world.state.elapsed
    world.now += jump
    world.look()
    assert world.state.step is Step.MEASURE
    assert world.state.elapsed - elapsed <= MAX_STEP
    world.run_to(Step.SUCCEEDED)


def test_only_what_is_open_goes_on() -> None:
    world = World(1)
    assert world.state.is_open
    world.run_to(Step.SUCCEEDED)
    assert not world.state.is_open


def test_what_was_decided_and_lost_is_decided_again() -> None:
    world = World(10)
    steps = 0
    while world.state.is_open and steps < 1000:
        for killed in (True, True, False):
            world.look(killed=killed)
        world.pass_time()
        steps += 1
    assert world.state.step is Step.SUCCEEDED


def test_the_story_is_bounded_and_its_numbers_go_on() -> None:
    world = World(10)
    for _ in range(HISTORY):
        world.say(Command.PAUSE)
        world.say(Command.RESUME)
        world.look()
    moments = world.state.history
    assert len(moments) == HISTORY
    assert all(later.number == earlier.number + 1 for earlier, later in pairwise(moments))
    assert moments[-1].number == 2 * HISTORY + 2
