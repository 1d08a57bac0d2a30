"""Whole Compose files, as they are found, become fleets that `check` accepts."""

from __future__ import annotations

import pytest

from sutazai.fleet.compose import grouped
from sutazai.fleet.declared import Dialect
from sutazai.fleet.spec import Fleet, Runtime, Temperature
from tests.fleet.compose.imports import SMALL, STACK, fleet_of, imported, told

MIB = 1024**2


@pytest.fixture(scope="module")
def stack() -> Fleet:
    return fleet_of(imported(STACK.read_text()))


@pytest.fixture(scope="module")
def small() -> Fleet:
    return fleet_of(imported(SMALL.read_text()))


def test_every_service_of_the_stack_is_something_in_the_fleet(stack: Fleet) -> None:
    assert list(stack.agents) == ["data-agent", "planner", "helper"]
    assert list(stack.backends) == ["ollama"]
    assert list(stack.services) == [
        "postgres", "redis", "neo4j", "chromadb", "qdrant", "backend", "n8n", "prometheus",
        "grafana",
    ]  # fmt: skip
    units = [*stack.agents.values(), *stack.services.values()]
    assert {unit.runtime for unit in units} == {Runtime.CONTAINER}


def test_a_database_keeps_image_port_limits_and_times(stack: Fleet) -> None:
    postgres = stack.services["postgres"]

    assert (postgres.image, postgres.port) == ("postgres:16.3-alpine", 10000)
    assert (postgres.memory_limit, postgres.cpu) == (2048 * MIB, 0.5)
    assert (postgres.health.interval, postgres.health.failures) == (10.0, 5)
    assert postgres.environment["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD}"
    assert stack.services["neo4j"].stop_timeout == 90


def test_a_check_over_http_on_the_published_port_is_kept(stack: Fleet) -> None:
    health = stack.services["chromadb"].health

    assert (health.path, health.interval, health.timeout) == ("/api/v1/heartbeat", 30, 10)
    assert (health.failures, health.grace) == (3, 60)
    assert stack.agents["data-agent"].health.path == "/health"
    assert stack.services["postgres"].health.path is None


def test_the_model_server_becomes_a_backend_and_all_that_led_to_it_the_gateway(
    stack: Fleet,
) -> None:
    ollama = stack.backends["ollama"]
    agent = stack.agents["planner"].environment

    assert (ollama.url, ollama.dialect) == ("http://127.0.0.1:11434", Dialect.OLLAMA)
    assert ollama.slots == 4
    assert agent["OLLAMA_BASE_URL"] == "{gateway}"
    assert stack.services["n8n"].environment["OLLAMA_HOST"] == agent["OLLAMA_BASE_URL"]
    assert not {"OPENAI_BASE_URL", "OPENAI_API_KEY", "OLLAMA_HOST"} & agent.keys()
    assert "ollama" not in stack.agents["planner"].depends_on


def test_an_agent_of_old_is_an_agent(stack: Fleet) -> None:
    agent = stack.agents["data-agent"]

    assert (agent.image, agent.port, agent.replicas) == ("shop-data_agent", 8101, 2)
    assert (agent.temperature, agent.container_port) == (Temperature.HOT, 8080)
    assert agent.environment["LOG_LEVEL"] == "${LOG_LEVEL}"
    assert stack.agents["planner"].command == ("planner.main",)
    assert stack.agents["helper"].depends_on == ("planner", "backend")


def test_no_secret_of_the_file_is_written_or_told() -> None:
    result = imported(STACK.read_text())

    everything = result.text + "".join(told(result))

    assert STACK.read_text().count("hunter2") == 6
    assert "hunter2" not in everything and "sk-local" not in everything
    assert {"POSTGRES_PASSWORD", "NEO4J_AUTH", "SECRET_KEY", "WEBHOOK_PASSWORD"} <= {
        *result.variables
    }
    assert all(f"#   {name}\n" in result.text for name in result.variables)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (26, "the default of POSTGRES_VERSION is taken"),
        (27, "`container_name` is not carried over"),
        (38, "a healthcheck by command"),
        (44, "the limit of cores"),
        (48, "no memory limit: the class `standard` is taken, 512MiB"),
        (66, "one `port`"),
        (74, "becomes a backend at http://127.0.0.1:11434"),
        (103, "`build` is not carried over"),
        (104, "`env_file` is not carried over"),
        (107, "`FLAGS` is left out"),
        (108, "port 10010 belongs to SutazAI's control plane"),
        (112, "`privileged` is not carried over"),
        (123, "no profiles"),
        (124, "restarts this whenever it ends"),
        (135, "resolves no variables here: GRAFANA_TAG"),
        (136, "port 9090 belongs to `prometheus` already"),
        (140, "`Data_Agent` is called `data-agent`"),
        (170, "`networks` is not carried over"),
    ],
)
def test_what_cannot_be_carried_over_is_listed_with_its_line(line: int, part: str) -> None:
    found = told(imported(STACK.read_text()))

    assert [one for one in found if one.startswith(f"{line} ") and part in one], found


def test_every_service_without_a_memory_limit_is_named_in_one_line() -> None:
    findings = imported(STACK.read_text()).findings

    (one,) = [each for each in grouped(findings) if "no memory limit" in each.message]

    assert one.line == 48
    assert one.message.endswith("(also lines 94, 102, 114, 126, 134, 151, 158)")


def test_what_extends_another_takes_its_keys_over(small: Fleet) -> None:
    crawler = small.agents["crawler-agent"]

    assert crawler.image == "acme/base:1"
    assert crawler.environment == {"SHARED": "yes", "LEVEL": "debug", "COST": "$5"}
    assert (crawler.memory_limit, crawler.cpu, crawler.replicas) == (256 * MIB, 0.25, 3)
    assert crawler.port == 8002  # 8001 is that of `base`, which has it first


def test_the_name_is_the_files_own_and_names_are_made_fit(small: Fleet) -> None:
    assert small.name == "smallshop"
    assert {"vector-db", "vector-db-2", "web-service"} <= small.services.keys()
    assert "node-agent" in small.services  # its label says so


def test_waiting_for_what_ends_is_left_out(small: Fleet) -> None:
    assert small.services["web-service"].depends_on == ("crawler-agent",)
    assert small.services["web-service"].restart_with == ("crawler-agent",)
    assert small.services["rabbitmq"].restart_with == ()
    assert small.services["web-service"].port == 8080
    assert small.services["migrate"].command == ("./manage.py", "migrate now")
    assert small.services["rabbitmq"].stop_timeout == 0.5


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (6, "the default of LIMIT is taken"),
        (12, "port 8001 belongs to `base`"),
        (26, "`web` is called `web-service`"),
        (28, "the default of WEB_PORT is taken"),
        (28, "this one is not carried over"),
        (30, "not for what has ended"),
        (37, "this one is not carried over"),
        (41, "`vector_db` is called `vector-db-2`"),
        (48, "Docker chooses this port anew"),
        (55, "`pid` is not carried over"),
    ],
)
def test_the_other_way_to_write_things_is_understood_too(line: int, part: str) -> None:
    found = told(imported(SMALL.read_text()))

    assert [one for one in found if one.startswith(f"{line} ") and part in one], found


def test_named_agents_are_the_only_ones() -> None:
    result = imported(STACK.read_text(), agents=["backend", "n8n"])

    assert result.agents == ("backend", "n8n")
    assert "planner" in result.services


def test_everything_runs_that_has_no_profile(stack: Fleet) -> None:
    off = {name for name, service in stack.services.items() if not service.enabled}

    assert off == {"n8n"}
    assert all(agent.temperature is Temperature.HOT for agent in stack.agents.values())


def test_data_stays_where_it_is(stack: Fleet) -> None:
    assert stack.services["postgres"].volumes == (
        "shop_postgres_data:/var/lib/postgresql/data",
        "./init.sql:/docker-entrypoint-initdb.d/init.sql:ro",
    )
    assert stack.agents["planner"].entrypoint == ("python", "-m")
