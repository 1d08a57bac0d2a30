"""Built-in agents are taken in by name or group, and changed key by key."""

from __future__ import annotations

from sutazai.fleet.spec import Runtime
from tests.fleet.fleets import fleet_of, loaded, refusal


def test_all_none_groups_and_names() -> None:
    assert set(fleet_of("name: x\ncatalogue: all\n").agents) == {"chief", "boss", "worker"}
    assert set(fleet_of("name: x\ncatalogue: none\n").agents) == set()
    assert set(fleet_of("name: x\n").agents) == set()
    assert set(fleet_of("name: x\ncatalogue: []\n").agents) == set()
    assert set(fleet_of("name: x\ncatalogue: [team]\n").agents) == {"boss", "worker"}
    assert set(fleet_of("name: x\ncatalogue: [worker, top]\n").agents) == {"chief", "worker"}


def test_built_in_agents_come_first_and_in_their_own_order() -> None:
    fleet = fleet_of("name: x\ncatalogue: [worker, boss]\nagents: {mine: {}, boss: {}}\n")

    assert list(fleet.agents) == ["boss", "worker", "mine"]


def test_an_entry_changes_single_keys() -> None:
    fleet = fleet_of(
        """
name: x
catalogue: all
agents:
  worker:
    tier: fast
    health: {interval: 5s}
    sampling: {max_tokens: 7}
    options: {shape: round}
"""
    )

    worker = fleet.agents["worker"]
    assert worker.tier == "fast"
    assert worker.prompt == "You work."
    assert (worker.health.path, worker.health.interval) == ("/health", 5.0)
    assert (worker.sampling.temperature, worker.sampling.max_tokens) == (0.3, 7)
    assert worker.options == {"shape": "round"}


def test_an_entry_without_a_value_takes_the_agent_as_it_is() -> None:
    fleet = fleet_of("name: x\ncatalogue: all\nagents:\n  worker:\n  boss: {prompt: }\n")

    assert fleet.agents["worker"].prompt == "You work."
    assert fleet.agents["boss"].prompt == ""


def test_another_runtime_leaves_out_what_only_the_old_one_used() -> None:
    fleet = fleet_of(
        "name: x\ncatalogue: all\nagents: {worker: {runtime: remote, url: 'http://far/'}}\n"
    )

    worker = fleet.agents["worker"]
    assert worker.runtime is Runtime.REMOTE
    assert (worker.prompt, worker.options) == ("", {})
    assert (worker.port, worker.lead) == (10302, "boss")


def test_a_lead_that_is_not_taken_in_is_left_out() -> None:
    assert fleet_of("name: x\ncatalogue: [worker]\n").agents["worker"].lead is None
    own_boss = "name: x\ncatalogue: [worker]\nagents: {boss: {rank: lead}}\n"
    assert fleet_of(own_boss).agents["worker"].lead == "boss"


def test_a_mistake_in_a_change_is_where_the_user_wrote_it() -> None:
    text = "name: x\ncatalogue: all\nagents:\n  worker:\n    health: {interval: 5}\n"

    assert str(refusal(text)).startswith("fleet.yaml:5:24: `interval`: expected")


def test_what_a_user_did_not_write_is_at_his_entry_or_at_the_catalogue() -> None:
    positions = loaded("name: x\ncatalogue: all\nagents:\n  worker: {tier: fast}\n").positions

    assert positions.of_value(("agents", "worker", "port")) == (4, 3)
    assert positions.of_value(("agents", "boss", "port")) == (2, 12)


def test_an_unusable_catalogue_does_not_hide_other_mistakes() -> None:
    error = refusal("name: x\ncatalogue: [wrker]\nagents: {a: {port: x}}\n")

    assert [problem["line"] for problem in error.data["problems"]] == [2, 3]


def test_agents_that_are_no_mapping_are_refused_with_the_catalogue_too() -> None:
    assert "`agents` must be keys with values" in str(
        refusal("name: x\ncatalogue: all\nagents: [a]\n")
    )
    assert "`worker` must be keys with values" in str(
        refusal("name: x\ncatalogue: all\nagents: {worker: 3}\n")
    )
