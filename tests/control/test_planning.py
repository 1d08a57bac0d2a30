"""The same fleet gives the same units, byte for byte; only what matters makes another version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sutazai.control.planning import House, plan_units
from sutazai.control.settings import Listening
from sutazai.control.source import Availability, LlmSource, Source, decide, observe
from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import DesiredUnit, Kind, Standing
from sutazai.fleet.observing import LogFormat, Logs
from sutazai.fleet.places import Places
from sutazai.fleet.serving import Backend, EmbeddedLlm
from sutazai.fleet.spec import Agent, Fleet, Health, Pool, Runtime, Sampling, Service, Temperature

PLACES = Places(Path("/state"), Path("/run/x"))
EMBEDDED = LlmSource(Source.EMBEDDED)


def house(**keys: str) -> House:
    listening = Listening(host="127.0.0.1", control=10010, gateway=10104)
    return House(PLACES, listening, Path("/fleet"), keys)


def planned(agent: Agent, **update: Any) -> DesiredUnit:
    fleet = Fleet(name="f", agents={"a": agent.model_copy(update=update)})
    return plan_units(fleet, house(a="key"), LlmSource(Source.DECLARED))[0]


def test_a_role_agent_is_told_who_it_is_and_where_the_gateway_is() -> None:
    agent = Agent(prompt="Plan.", tier="fast", sampling=Sampling(temperature=0.1), options={"x": 1})
    unit = planned(agent)
    assert unit.kind is Kind.AGENT and unit.entry == "sutazai.agent.role:RoleAgent"
    assert unit.environment == {"SUTAZAI_KEY": "key"}
    assert unit.options == {
        "agent": "a",
        "version": unit.version,
        "prompt": "Plan.",
        "tier": "fast",
        "sampling": {"temperature": 0.1, "max_tokens": 512},
        "concurrency": 4,
        "options": {"x": 1},
        "gateway": "unix:/run/x/a/gateway.sock",
    }
    assert unit.memory_limit == 512 * 1024**2 and unit.address is None


def test_an_agent_of_ones_own_has_its_class_as_entry() -> None:
    assert planned(Agent(**{"class": "mine:Planner"})).entry == "mine:Planner"


def test_a_command_agent_gets_what_foreign_programs_read() -> None:
    agent = Agent(
        runtime=Runtime.COMMAND,
        command=("aider", "--port", "{port}"),
        environment={"OLLAMA_HOST": "http://mine", "TOKEN": "file:secret", "K": "${K}"},
        directory="work",
        port=10355,
    )
    unit = planned(agent)
    assert unit.command == ("aider", "--port", "{port}")  # the host knows the port
    assert unit.environment == {
        "SUTAZAI_KEY": "key",
        "AGENT_NAME": "a",
        "AGENT_TYPE": "a",
        "BACKEND_URL": "http://127.0.0.1:10104/key/key",
        "OLLAMA_BASE_URL": "http://127.0.0.1:10104/key/key",
        "OLLAMA_HOST": "http://mine",
        "OPENAI_BASE_URL": "http://127.0.0.1:10104/v1",
        "OPENAI_API_KEY": "key",
        "TOKEN": "file:/fleet/secret",
        "K": "${K}",
    }
    assert unit.directory == "/fleet/work"
    assert unit.address is None and unit.entry is None


def test_an_agent_that_fetches_its_tasks_runs_always() -> None:
    agent = Agent(runtime=Runtime.COMMAND, command=("old",), pull=True)
    assert (agent.temperature, planned(agent).temperature) == (Temperature.WARM, Temperature.HOT)


def test_a_container_reaches_the_gateway_by_its_own_address_and_with_its_key() -> None:
    agent = Agent(
        runtime=Runtime.CONTAINER,
        image="acme/crawler:1",
        volumes=("data:/data", "./conf:/conf:ro"),
        container_port=8080,
        environment={"OLLAMA_BASE_URL": "{gateway}/api"},
        port=10355,
    )
    unit = planned(agent)
    assert unit.container is not None
    assert unit.container.volumes == ("data:/data", "/fleet/conf:/conf:ro")
    assert (unit.container.image, unit.container.port) == ("acme/crawler:1", 8080)
    assert unit.environment == {
        "SUTAZAI_KEY": "key",
        "AGENT_NAME": "a",
        "AGENT_TYPE": "a",
        "BACKEND_URL": "{gateway}/key/key",
        "OLLAMA_HOST": "{gateway}/key/key",
        "OPENAI_BASE_URL": "{gateway}/v1",
        "OPENAI_API_KEY": "key",
        "OLLAMA_BASE_URL": "{gateway}/key/key/api",
    }
    assert unit.address is None and "image" not in unit.options


def test_a_remote_unit_has_its_url_as_address() -> None:
    assert planned(Agent(runtime=Runtime.REMOTE, url="http://there:1")).address == "http://there:1"


def test_services_keep_their_port_and_disabled_ones_are_left_out() -> None:
    services = {
        "redis": Service(command=("redis-server",), port=6379, health=Health(path="/x")),
        "off": Service(command=("off",), enabled=False),
    }
    units = plan_units(Fleet(name="f", services=services), house(), LlmSource(Source.DECLARED))
    assert [(unit.name, unit.kind, unit.address) for unit in units] == [
        ("redis", Kind.SERVICE, "http://127.0.0.1:6379")
    ]
    assert units[0].probe.path == "/x"


def test_the_embedded_llm_is_a_plane_only_where_it_is_the_source() -> None:
    fleet = Fleet(name="f", llm=EmbeddedLlm(threads=3, slots=1))
    llm = plan_units(fleet, house(), EMBEDDED)[0]
    assert (llm.name, llm.kind, llm.address) == ("llm", Kind.PLANE, "unix:/run/x/llm.sock")
    assert llm.probe.path == "/health"
    assert llm.command[1:4] == ("-m", "sutazai.llm", "serve")
    assert ("--threads", "3") in zip(llm.command, llm.command[1:], strict=False)
    assert plan_units(fleet, house(), LlmSource(Source.OLLAMA)) == ()


def test_units_are_told_what_goes_first_when_memory_is_short() -> None:
    fleet = Fleet(
        name="f",
        agents={
            "a": Agent(priority=Priority.LOW),
            "b": Agent(pool=Pool.CRITICAL, priority=Priority.HIGH),
        },
        services={"db": Service(command=("db",))},
    )
    units = {unit.name: unit for unit in plan_units(fleet, house(a="k", b="k"), EMBEDDED)}
    assert {name: (unit.priority, unit.standing) for name, unit in units.items()} == {
        "llm": (Priority.MEDIUM, Standing.PROTECTED),
        "db": (Priority.MEDIUM, Standing.CRITICAL),
        "a": (Priority.LOW, Standing.ORDINARY),
        "b": (Priority.HIGH, Standing.CRITICAL),
    }


def test_the_same_fleet_gives_the_same_bytes() -> None:
    fleet = Fleet(
        name="f",
        agents={"a": Agent(options={"b": 1, "a": [2]}, environment={"Z": "1", "A": "2"})},
        services={"s": Service(command=("x",))},
    )
    again = Fleet.model_validate_json(fleet.model_dump_json(by_alias=True))
    first, second = (plan_units(one, house(a="key"), EMBEDDED) for one in (fleet, again))
    assert [u.model_dump_json() for u in first] == [u.model_dump_json() for u in second]


@pytest.mark.parametrize(
    "update",
    [
        {"prompt": "Another."},
        {"tier": "fast"},
        {"options": {"x": 2}},
        {"environment": {"A": "b"}},
        {"memory": "lightweight"},
        {"concurrency": 9},
    ],
)
def test_what_an_instance_is_makes_another_version(update: dict[str, Any]) -> None:
    assert planned(Agent(), **update).version != planned(Agent()).version


@pytest.mark.parametrize(
    "update",
    [
        {"temperature": Temperature.HOT},
        {"replicas": 3},
        {"idle_after": 9.0},
        {"health": Health(failures=9)},
        {"description": "else"},
        {"group": "else"},
        {"port": 10999},
    ],
)
def test_what_an_instance_can_take_on_keeps_its_version(update: dict[str, Any]) -> None:
    assert planned(Agent(), **update).version == planned(Agent()).version


def test_how_agents_log_is_said_only_where_it_is_not_as_usual() -> None:
    plain, program = Agent(), Agent(runtime=Runtime.COMMAND, command=("x",))
    fleet = Fleet(name="f", agents={"a": plain, "b": program})
    logs = Logs(format=LogFormat.JSON)

    usual = plan_units(fleet, house(a="k", b="k"), EMBEDDED)
    objects = plan_units(fleet.model_copy(update={"logs": logs}), house(a="k", b="k"), EMBEDDED)

    assert [unit.options.get("logs") for unit in usual] == [None, None, None]
    assert [unit.options.get("logs") for unit in objects] == [None, "json", None]
    changed = [
        before.version != after.version for before, after in zip(usual, objects, strict=True)
    ]
    assert changed == [False, True, False]


def test_a_stopped_unit_is_marked_and_keeps_its_version() -> None:
    fleet = Fleet(name="f", agents={"a": Agent()})
    stopped = plan_units(fleet, house(a="key"), LlmSource(Source.DECLARED), {"a"})[0]
    assert stopped.stopped and stopped.version == planned(Agent()).version


OLLAMA = LlmSource(Source.OLLAMA, "http://127.0.0.1:11434", ("llama3:latest",))


def test_the_model_comes_from_what_is_declared_else_ollama_else_our_own() -> None:
    declared = Fleet(name="f", backends={"b": Backend(url="http://x")})
    assert decide(declared, OLLAMA).kind is Source.DECLARED
    assert decide(Fleet(name="f"), OLLAMA) == OLLAMA
    assert decide(Fleet(name="f"), None).kind is Source.EMBEDDED
    empty = LlmSource(Source.OLLAMA, "http://127.0.0.1:11434")
    assert decide(Fleet(name="f"), empty).kind is Source.EMBEDDED


def test_another_source_is_looked_for_only_after_a_long_lack_and_not_often() -> None:
    known, looks = Availability(), []
    for second in range(100):
        known, due = observe(known, available=second < 10, now=float(second))
        looks += [second] if due else []
    assert looks == [30, 50, 70, 90]
    known, due = observe(known, available=True, now=100.0)
    assert not due and known.lacking_since is None


def test_other_code_or_another_environment_is_another_version() -> None:
    agents = {"a": Agent.model_validate({"class": "tea:Tea", "requirements": "r.txt"})}
    fleet = Fleet(name="f", agents=agents)
    first, second = (
        plan_units(fleet, replace(house(a="key"), codes={"a": code}), LlmSource(Source.DECLARED))[0]
        for code in ("one", "two")
    )
    assert first.version != second.version
    assert first.requirements == "/fleet/r.txt"
    assert first.python is None
