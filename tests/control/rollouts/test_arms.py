"""Which units and doors a rollout's state means."""

from __future__ import annotations

from typing import Any

import pytest

from sutazai.control.rollouts.arms import (
    AT_ONCE,
    Arms,
    ArmUnit,
    DoorShare,
    Side,
    arms_of,
    runs_twice,
)
from sutazai.fleet.rollouts import RolloutPlan, RolloutState, Stage, Step
from sutazai.fleet.spec import Agent, Runtime, Temperature
from tests.control.rollouts.units import desired

AGENTS = {"ann": Agent(), "bob": Agent()}
FIXED = Agent(runtime=Runtime.COMMAND, command=("serve", "--port", "9000"))
TEMPLATED = Agent(runtime=Runtime.COMMAND, command=("serve", "--port", "{port}"))


def state(**more: Any) -> RolloutState:
    stages = (
        Stage(name="first", agents=("ann",), lasts=1),
        Stage(name="all", agents=("bob",), lasts=1),
    )
    given = {"id": "rollout-1", "before": 6, "after": 7, "plan": RolloutPlan(), "stages": stages}
    return RolloutState.model_validate({**given, "blue": ("ann", "bob"), **more})


def test_at_first_every_agent_runs_the_old_version_in_its_own_unit() -> None:
    arms = arms_of(state(), AGENTS)
    assert arms.units == {
        "ann": (ArmUnit("ann", Side.OLD),),
        "bob": (ArmUnit("bob", Side.OLD),),
    }
    assert arms.doors["ann"].weights == {"ann": 1.0, "ann@7": 0.0, "ann@6": 0.0}
    assert arms.doors["ann"].wakes == ""


def test_a_cohort_that_is_measured_has_three_units_and_shares_its_calls() -> None:
    measured = state(
        step=Step.MEASURE, moved=("ann",), split=True, green=("ann",), baseline=("ann",)
    )
    arms = arms_of(measured, AGENTS)
    assert arms.units["ann"] == (
        ArmUnit("ann", Side.OLD, standby=True),
        ArmUnit("ann@7", Side.NEW, awake=True),
        ArmUnit("ann@6", Side.OLD, awake=True),
    )
    assert arms.doors["ann"].weights == {"ann": 0.0, "ann@7": 0.5, "ann@6": 0.5}
    assert arms.units["bob"] == (ArmUnit("bob", Side.OLD),)


def test_an_agent_that_has_moved_keeps_its_old_version_asleep() -> None:
    moved = state(step=Step.MEASURE, phase=1, moved=("ann", "bob"), green=("ann", "bob"))
    arms = arms_of(moved, AGENTS)
    assert arms.units["ann"][0] == ArmUnit("ann", Side.OLD, standby=True)
    assert arms.doors["ann"] == DoorShare({"ann": 0.0, "ann@7": 1.0, "ann@6": 0.0}, "ann@7")
    asleep = arms.units["ann"][0].of(desired("ann"))
    assert (asleep.temperature, asleep.standby) == (Temperature.WARM, True)


def test_on_the_way_back_nothing_stays_with_the_new_version() -> None:
    back = state(step=Step.ABORTING, green=("ann",), baseline=("ann",))
    door = arms_of(back, AGENTS).doors["ann"]
    assert (door.weights["ann"], door.loyal) == (1.0, False)
    assert [unit.name for unit in arms_of(back, AGENTS).units["ann"]] == ["ann", "ann@7", "ann@6"]


def test_in_the_end_the_own_unit_takes_the_new_version_on_and_green_goes_then() -> None:
    ending = state(step=Step.FINISH, phase=2, moved=("ann", "bob"), green=("ann", "bob"), blue=())
    arms = arms_of(ending, AGENTS, frozenset({"ann"}))
    assert arms.units["ann"] == (ArmUnit("ann", Side.NEW),)
    assert arms.doors["ann"] == DoorShare()
    assert arms.units["bob"] == (ArmUnit("bob", Side.NEW), ArmUnit("bob@7", Side.NEW))
    assert arms.doors["bob"].wakes == "bob@7"


def test_own_units_take_it_on_a_few_at_a_time() -> None:
    names = tuple(f"agent-{number:02}" for number in range(AT_ONCE + 5))
    stages = (Stage(name="all", agents=names, lasts=1),)
    ending = state(stages=stages, step=Step.FINISH, phase=1, moved=names, green=names, blue=())
    arms = arms_of(ending, dict.fromkeys(names, Agent()))
    assert len(taking_over(arms)) == AT_ONCE
    settled = frozenset(taking_over(arms))
    assert len(taking_over(arms_of(ending, dict.fromkeys(names, Agent()), settled))) == len(names)


def taking_over(arms: Arms) -> list[str]:
    return [name for name, units in arms.units.items() if units[0] == ArmUnit(name, Side.NEW)]


@pytest.mark.parametrize(
    ("agent", "twice"),
    [(Agent(), True), (FIXED, False), (TEMPLATED, True)],
)
def test_what_has_a_port_of_its_own_cannot_run_twice(agent: Agent, twice: bool) -> None:
    assert runs_twice(agent) is twice


def test_one_that_cannot_run_twice_changes_in_place_and_back() -> None:
    agents = {"ann": FIXED, "bob": Agent()}
    moved = state(step=Step.BASELINE_UP, green=("ann",))
    assert arms_of(moved, agents).units["ann"] == (ArmUnit("ann", Side.NEW),)
    assert "ann" not in arms_of(moved, agents).doors
    back = moved.model_copy(update={"step": Step.ABORTING})
    assert arms_of(back, agents).units["ann"] == (ArmUnit("ann", Side.OLD),)


def test_a_unit_beside_the_agents_own_serves_the_agent() -> None:
    green = ArmUnit("ann@7", Side.NEW, awake=True).of(desired("ann", Temperature.WARM))
    assert (green.name, green.serves, green.temperature) == ("ann@7", "ann", Temperature.HOT)
    own = ArmUnit("ann", Side.OLD).of(desired("ann"))
    assert (own.name, own.agent, own.serves) == ("ann", "", "ann")
