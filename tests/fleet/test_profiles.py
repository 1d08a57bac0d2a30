"""Every profile loads, passes the checks of its machine, and keeps to its figures."""

from __future__ import annotations

import re

import pytest

from sutazai.fleet.checks import check_fleet
from sutazai.fleet.errors import NotFound
from sutazai.fleet.fit import Machine, reserved_memory, running_shares
from sutazai.fleet.load import LoadedFleet, parse
from sutazai.fleet.problems import Problem, Severity
from sutazai.fleet.profiles import profile_names, profile_text
from sutazai.fleet.spec import MIB, Fleet, Pool, Runtime, Temperature
from tests.fleet.fleets import GIB

MACHINES = {
    "small": Machine(4 * GIB, 2),
    "default": Machine(8 * GIB, 2),
    "a": Machine(int(29.38 * GIB), 12),
    "b": Machine(48 * GIB, 8),
    "c": Machine(16 * GIB, 4),
    "d": Machine(29 * GIB, 32),
}


def _loaded(name: str) -> LoadedFleet:
    return parse(profile_text(name), file=f"{name}.yaml")


def _errors(loaded: LoadedFleet, machine: Machine) -> list[Problem]:
    problems = check_fleet(loaded.fleet, machine, loaded.positions)
    return [problem for problem in problems if problem.severity is Severity.ERROR]


def _with_services(text: str, names: set[str]) -> LoadedFleet:
    """Profile ``text`` with these services switched on."""
    head, services = text.split("\nservices:\n")
    blocks = re.split(r"\n\n", services)
    switched = [
        block.replace("enabled: false", "enabled: true")
        if any(re.search(rf"^  {name}:$", block, re.MULTILINE) for name in names)
        else block
        for block in blocks
    ]
    return parse(head + "\nservices:\n" + "\n\n".join(switched), file="a.yaml")


def test_there_is_a_profile_for_each_machine() -> None:
    assert profile_names() == tuple(sorted(MACHINES))
    with pytest.raises(NotFound) as caught:
        profile_text("e")
    assert "small" in str(caught.value.hint)


@pytest.mark.parametrize("name", MACHINES)
def test_a_profile_passes_the_checks_of_its_machine(name: str) -> None:
    loaded = _loaded(name)

    problems = check_fleet(loaded.fleet, MACHINES[name], loaded.positions)

    # Agents outnumber slots in any fleet; that is what the gateway's queue is for.
    assert [each for each in problems if "LLM slot" not in each.message] == []


@pytest.mark.parametrize("name", MACHINES)
def test_what_a_profile_has_in_comments_works_too(name: str) -> None:
    """Each block of commented YAML, taken in alone, still gives a fleet that can be used."""
    text = profile_text(name)
    for block in re.findall(r"(?:^# (?:[a-z]+:.*| .*)\n)+", text, re.MULTILINE):
        keys = re.findall(r"^# ([a-z]+):", block, re.MULTILINE)
        if not keys:
            continue
        live = re.sub(r"^# ", "", block, flags=re.MULTILINE)
        rest = _without(text.replace(block, ""), keys)
        assert _errors(parse(rest + "\n" + live, file=name), MACHINES[name]) == []


def _without(text: str, keys: list[str]) -> str:
    """``text`` without the sections that a commented block takes the place of."""
    for key in keys:
        text = re.sub(rf"^{key}:.*\n(?:[ \n].*\n|\n)*", "", text, flags=re.MULTILINE)
    return text


def test_default_is_the_whole_catalogue() -> None:
    fleet = _loaded("default").fleet

    assert fleet.name == "sutazai"
    assert len(fleet.agents) == 69
    assert sum(agent.temperature is Temperature.HOT for agent in fleet.agents.values()) == 20


def test_small_has_two_agents_of_one_s_own_and_one_built_in() -> None:
    assert list(_loaded("small").fleet.agents) == ["reviewer", "writer", "editor"]


def test_a_holds_the_pools_of_its_machine() -> None:
    memory = _loaded("a").fleet.memory

    assert {pool: size // GIB for pool, size in memory.pools.items()} == {
        Pool.INFRASTRUCTURE: 12,
        Pool.CRITICAL: 8,
        Pool.STANDARD: 6,
        Pool.MONITORING: 2,
    }
    assert sum(memory.pools.values()) + memory.reserve == memory.total


def test_a_fits_with_the_services_that_its_pools_are_made_for_and_its_own_ollama() -> None:
    base = {"postgres", "redis", "neo4j", "ollama", "chromadb", "qdrant"}
    watch = {"prometheus", "grafana", "loki", "node-exporter"}
    text = profile_text("a").replace("# backends:\n#   ollama:", "backends:\n  ollama:")

    full = _with_services(text, base | watch)
    too_full = _with_services(text, base | watch | {"rabbitmq"})

    assert sum(unit.enabled for unit in full.fleet.services.values()) == 10
    assert _errors(full, MACHINES["a"]) == []
    assert "pool infrastructure" in _errors(too_full, MACHINES["a"])[0].message


def test_a_starts_no_service_by_itself_and_only_real_programs() -> None:
    services = _loaded("a").fleet.services

    assert not any(unit.enabled for unit in services.values())
    assert [name for name, unit in services.items() if unit.runtime is Runtime.CONTAINER] == [
        "kong"
    ]


def test_b_has_131_agents_on_two_slots() -> None:
    fleet = _loaded("b").fleet

    assert sum(agent.replicas for agent in fleet.agents.values()) == 131
    assert sum(backend.slots or 0 for backend in fleet.backends.values()) == 2


def test_c_has_two_agents_at_work_on_its_smallest_machine() -> None:
    fleet = _loaded("c").fleet

    assert sum(share.cores for share in running_shares(fleet)) == 4
    assert fleet.llm.slots == 2


def test_d_has_every_agent_at_once_within_its_figures() -> None:
    fleet = _loaded("d").fleet

    installed = _all_hot(fleet)
    assert 8 * GIB < reserved_memory(fleet) < 12 * GIB
    assert 15 < sum(share.cores for share in running_shares(fleet)) < 25
    assert all(
        agent.temperature is Temperature.HOT or agent.runtime is Runtime.COMMAND
        for agent in fleet.agents.values()
    )
    assert reserved_memory(installed) < 12 * GIB
    assert len([share for share in running_shares(installed) if share.memory >= 128 * MIB]) == 70


def _all_hot(fleet: Fleet) -> Fleet:
    """``fleet`` with every product of others installed, and hot."""
    hot = {"temperature": Temperature.HOT}
    agents = {name: agent.model_copy(update=hot) for name, agent in fleet.agents.items()}
    return fleet.model_copy(update={"agents": agents})
