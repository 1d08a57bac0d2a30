"""Which units and doors a rollout's state means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from sutazai.control.rollouts.arms import (
    Arms,
    ArmUnit,
    DoorShare,
    Side,
    Takeover,
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
        Stage(name="first", agents=("ann",), lasts=1, compared=("ann",)),
        Stage(name="all", agents=("bob",), lasts=1, compared=("bob",)),
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
    arms = arms_of(ending, AGENTS, takeover({"ann"}, settled={"ann"}))
    assert arms.units["ann"] == (ArmUnit("ann", Side.NEW),)
    assert arms.doors["ann"] == DoorShare()
    assert arms.units["bob"] == (ArmUnit("bob", Side.NEW), ArmUnit("bob@7", Side.NEW))
    assert arms.doors["bob"].wakes == "bob@7"


def test_green_that_is_not_compared_is_kept_awake_until_it_is_moved() -> None:
    stages = (Stage(name="all", agents=("ann", "bob"), lasts=1, compared=("ann",)),)
    rising = state(
        stages=stages, moved=("ann",), split=True, green=("ann", "bob"), baseline=("ann",)
    )
    arms = arms_of(rising, AGENTS)
    assert arms.units["bob"] == (ArmUnit("bob", Side.OLD), ArmUnit("bob@7", Side.NEW, awake=True))
    moved = arms_of(rising.model_copy(update={"moved": ("ann", "bob")}), AGENTS)
    assert moved.units["bob"][1] == ArmUnit("bob@7", Side.NEW)
    assert moved.units["ann"][1].awake and moved.units["ann"][2].awake
    assert moved.doors["bob"].weights == {"bob": 0.0, "bob@7": 1.0, "bob@6": 0.0}


NAMES = tuple(f"agent-{number:02}" for number in range(40))
ENDING = state(
    stages=(Stage(name="all", agents=NAMES, lasts=1),),
    step=Step.FINISH,
    phase=1,
    moved=NAMES,
    green=NAMES,
    blue=(),
)
MANY = dict.fromkeys(NAMES, Agent())


def test_own_units_take_it_on_a_few_at_a_time() -> None:
    first = taking_over(arms_of(ENDING, MANY))
    assert len(first) == ENDING.beside == 4
    settled = takeover(first, settled=first)
    assert taking_over(arms_of(ENDING, MANY, settled)) == first, "green is still there"
    more = taking_over(arms_of(ENDING, MANY, takeover(first, settled=first, done=first)))
    assert len(more) == 8 and set(first) < set(more)


def test_who_began_to_take_it_on_never_turns_back() -> None:
    began = NAMES[10:16]
    assert taking_over(arms_of(ENDING, MANY, takeover(began))) == [*began]
    others = began[1:]
    unsettled = taking_over(arms_of(ENDING, MANY, takeover(began, settled=others, done=others)))
    assert set(began) <= set(unsettled) and len(unsettled) == 9


def test_on_the_way_back_own_units_run_the_old_version_again() -> None:
    back = ENDING.model_copy(update={"step": Step.ABORTING, "blue": NAMES, "moved": ()})
    arms = arms_of(back, MANY, takeover(NAMES[:5], settled=NAMES[:3]))
    assert taking_over(arms) == []
    assert arms.doors["agent-00"].weights["agent-00"] == 1.0


def takeover(
    begun: Iterable[str], *, settled: Iterable[str] = (), done: Iterable[str] = ()
) -> Takeover:
    return Takeover(frozenset(begun), frozenset(settled), frozenset(done))


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
