"""`sutazai import`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine

STACK = Path(__file__).parents[1] / "fleet" / "compose" / "stack.yml"
SMALL = "services:\n  db: {image: redis, ports: ['6379:6379']}\n  data-agent: {image: acme/data}\n"
COMPOSE = Path("docker-compose.yml")


def test_a_stack_becomes_a_fleet_that_check_accepts(sutazai: CommandLine) -> None:
    COMPOSE.write_text(STACK.read_text())

    said = sutazai("import", "docker-compose.yml")

    assert (said.code, said.out) == (0, "")
    assert "fleet.yaml: 3 agents, 9 services, 1 LLM backend\n" in said.err
    assert "agents: data-agent, planner, helper\n" in said.err
    assert "to set before sutazai up: GF_SECURITY_ADMIN_PASSWORD, LOG_LEVEL" in said.err
    assert "next: read the comments, then sutazai check fleet.yaml\n" in said.err
    assert sutazai("check", "fleet.yaml").code == 0


def test_what_cannot_be_carried_over_is_told_with_its_place(sutazai: CommandLine) -> None:
    COMPOSE.write_text(STACK.read_text())

    said = sutazai("import", "docker-compose.yml")

    assert "warning: docker-compose.yml:27:5: `container_name` is not carried over" in said.err
    assert "(also line 50)\n  → a unit is called by its own name" in said.err
    assert "to look at, by key: environment " in said.err
    assert "hunter2" not in said.err + Path("fleet.yaml").read_text()


def test_the_fleet_file_can_go_to_standard_output(sutazai: CommandLine) -> None:
    COMPOSE.write_text(SMALL)

    said = sutazai("import", "docker-compose.yml", "-o", "-")

    assert said.out.startswith("# Made from docker-compose.yml")
    assert "services:\n  db:\n    runtime: container\n" in said.out
    assert "1 agent, 1 service, 0 LLM backends" in said.err
    assert not Path("fleet.yaml").exists()


def test_the_folder_names_the_fleet(sutazai: CommandLine) -> None:
    Path("My Shop").mkdir()
    Path("My Shop/compose.yaml").write_text(SMALL)

    assert "\nname: myshop\n" in sutazai("import", "My Shop/compose.yaml", "-o", "-").out


def test_a_file_is_never_replaced(sutazai: CommandLine) -> None:
    COMPOSE.write_text(SMALL)
    Path("mine.yaml").write_text("precious\n")

    said = sutazai("import", "docker-compose.yml", "-o", "mine.yaml")

    assert said.code == 5
    assert "--force" in said.err
    assert Path("mine.yaml").read_text() == "precious\n"


def test_unless_it_is_told_to(sutazai: CommandLine) -> None:
    COMPOSE.write_text(SMALL)
    Path("mine.yaml").write_text("precious\n")

    assert sutazai("import", "docker-compose.yml", "-o", "mine.yaml", "--force").code == 0
    assert "data-agent:" in Path("mine.yaml").read_text()


def test_agents_can_be_named(sutazai: CommandLine) -> None:
    COMPOSE.write_text(SMALL)

    said = sutazai("import", "docker-compose.yml", "--agents", "db, ", "-o", "-")

    assert "agents: db\n" in said.err
    assert said.out.index("  db:") < said.out.index("services:") < said.out.index("  data-agent:")


def test_an_agent_that_is_not_there_is_a_mistake_on_the_command_line(
    sutazai: CommandLine,
) -> None:
    COMPOSE.write_text(SMALL)

    said = sutazai("import", "docker-compose.yml", "--agents", "data-agnet")

    assert said.code == 2
    assert "did you mean `data-agent`?" in said.err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"services: 5\n", "docker-compose.yml:1:11: `services` must be services by name"),
        (b"services:\n  a: {image: x, depends_on: [b]}\n", "docker-compose.yml:2:30: there is no"),
        (b"a: \xff\n", "docker-compose.yml:1:4: this is not UTF-8"),
        (None, "docker-compose.yml cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_used(
    sutazai: CommandLine, content: bytes | None, reason: str
) -> None:
    if content is not None:
        COMPOSE.write_bytes(content)

    said = sutazai("import", "docker-compose.yml")

    assert (said.code, said.out) == (2, "")
    assert f"error: {reason}" in said.err
    assert not Path("fleet.yaml").exists()


def test_a_folder_that_is_not_there(sutazai: CommandLine) -> None:
    COMPOSE.write_text(SMALL)

    assert sutazai("import", "docker-compose.yml", "-o", "nowhere/fleet.yaml").code == 2


def test_an_old_configuration_of_agents_is_told_by_its_content(sutazai: CommandLine) -> None:
    old = Path(__file__).parents[1] / "fleet" / "agents_config" / "agents.config.json"
    Path("old.json").write_text(old.read_text())

    said = sutazai("import", "old.json")

    assert (said.code, said.out) == (0, "")
    assert "fleet.yaml: 3 agents, 0 services, 3 LLM backends\n" in said.err
    assert "warning: old.json:38:5: the edge from `reviewer` to `nobody` is left out" in said.err
    assert "to set before sutazai up: AZURE_KEY, GITHUB_TOKEN\n" in said.err
    assert sutazai("check", "fleet.yaml").code == 0
    assert sutazai("import", "old.json", "--adopt", "--force").code == 2
