"""Who is moved when: shares, names and risk."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sutazai.fleet.desired import Standing
from sutazai.fleet.rollouts import RolloutPlan, beside
from sutazai.fleet.spec import Pool
from sutazai.rollout.cohorts import Mover, changed, risk, stages_of

PLAN = RolloutPlan()


def movers(count: int, **more: str) -> list[Mover]:
    return [Mover(name=f"agent-{number}", **more) for number in range(count)]  # type: ignore[arg-type]


def test_the_fleet_of_131_moves_as_its_plan_says() -> None:
    stages = stages_of(PLAN, movers(131))
    assert list(accumulate(len(stage.agents) for stage in stages)) == [13, 32, 65, 131]
    assert [stage.lasts / 60 for stage in stages] == [30, 45, 60, 75]
    assert [stage.name for stage in stages] == ["10 %", "25 %", "50 %", "100 %"]
    assert [len(stage.compared) for stage in stages] == [9, 9, 9, 9]


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (2, [1, 1]), (3, [1, 2]), (4, [1, 1, 2]), (10, [1, 1, 3, 5])]
)
def test_small_fleets_begin_with_one_and_have_no_empty_phase(count: int, sizes: list[int]) -> None:
    assert [len(stage.agents) for stage in stages_of(PLAN, movers(count))] == sizes


@pytest.mark.parametrize("count", [1, 5, 24, 35, 131, 1000])
def test_some_of_each_phase_are_compared_and_the_others_still_have_room_to_move(count: int) -> None:
    for stage in stages_of(PLAN, movers(count)):
        assert set(stage.compared) <= set(stage.agents)
        assert 1 <= len(stage.compared) < beside(count)


def test_who_is_compared_is_spread_over_the_phase() -> None:
    plan = RolloutPlan.model_validate({"phases": [{"percent": 100}]})
    (stage,) = stages_of(plan, movers(36))
    assert stage.compared == ("agent-0", "agent-18")


def test_what_cannot_run_twice_is_not_compared_and_without_a_baseline_nobody_is() -> None:
    plan = RolloutPlan.model_validate({"phases": [{"percent": 100}]})
    fleet = [*(replace(one, twice=False) for one in movers(11)), Mover(name="last")]
    assert [stage.compared for stage in stages_of(plan, fleet)] == [("last",)]
    assert {one.compared for one in stages_of(RolloutPlan(canary=100), movers(20))} == {()}


def test_nothing_changed_is_nothing_to_move() -> None:
    assert stages_of(PLAN, []) == ()


@given(st.integers(1, 400), st.lists(st.integers(1, 99), unique=True, max_size=8))
def test_every_agent_moves_once_and_whole(count: int, shares: list[int]) -> None:
    phases = [{"percent": share} for share in [*sorted(shares), 100]]
    stages = stages_of(RolloutPlan.model_validate({"phases": phases}), movers(count))
    moved = [agent for stage in stages for agent in stage.agents]
    assert sorted(moved) == sorted(one.name for one in movers(count))
    assert all(stage.agents for stage in stages)


def test_what_watches_goes_first_and_what_all_depend_on_last() -> None:
    fleet = [
        Mover(name="coordinator", group="monitoring", pool=Pool.CRITICAL),
        Mover(name="vault", group="security"),
        Mover(name="guarded", group="development", standing=Standing.PROTECTED),
        Mover(name="invoices", group="business"),
        Mover(name="coder", group="development"),
        Mover(name="metrics", group="monitoring"),
        Mover(name="scraper", pool=Pool.MONITORING),
    ]
    assert [risk(PLAN, one) for one in fleet] == [4, 3, 4, 2, 1, 0, 0]
    order = [agent for stage in stages_of(PLAN, fleet) for agent in stage.agents]
    assert order[:2] == ["metrics", "scraper"]
    assert order[-2:] == ["coordinator", "guarded"]


def test_named_cohorts_take_agents_groups_and_pools_and_the_last_the_rest() -> None:
    plan = RolloutPlan.model_validate(
        {
            "phases": [
                {"name": "brave", "agents": ["coder", "monitoring"], "for": "5m"},
                {"agents": ["development"], "for": "6m"},
                {"agents": ["nobody"], "for": "7m"},
            ]
        }
    )
    fleet = [
        Mover(name="other"),
        Mover(name="coder", group="development"),
        Mover(name="tester", group="development"),
        Mover(name="metrics", pool=Pool.MONITORING),
    ]
    assert [(one.name, one.agents, one.lasts) for one in stages_of(plan, fleet)] == [
        ("brave", ("metrics", "coder"), 300),
        ("development", ("tester",), 360),
        ("nobody", ("other",), 420),
    ]


def test_only_what_has_another_version_moves() -> None:
    before = {"same": "1", "gone": "1", "other": "1"}
    assert changed(before, {"new": "1", "other": "2", "same": "1"}) == ("other",)


@pytest.mark.parametrize(
    "phases",
    [
        [],
        [{}],
        [{"percent": 10, "agents": ["a"]}],
        [{"percent": 10}],
        [{"percent": 50}, {"percent": 50}, {"percent": 100}],
        [{"percent": 50}, {"agents": ["a"]}],
        [{"percent": 0}, {"percent": 100}],
        [{"percent": 100, "for": "0s"}],
    ],
)
def test_phases_that_make_no_sense_are_refused(phases: list[dict[str, object]]) -> None:
    with pytest.raises(ValidationError):
        RolloutPlan.model_validate({"phases": phases})
