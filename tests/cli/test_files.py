"""`sutazai check`, `init` and `schema`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine

GOOD = "name: mine\nagents:\n  writer:\n    prompt: You write.\n    temperature: hot\n"


def test_a_good_file_is_ok_and_says_what_it_takes(sutazai: CommandLine) -> None:
    Path("fleet.yaml").write_text(GOOD)

    said = sutazai("check", "fleet.yaml")

    assert said.code == 0
    assert said.out.startswith("fleet.yaml: OK. 1 agent (1 hot); ")
    assert "of memory" in said.out and "4 ports, 10010 to 10300" in said.out


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("name: x\nagnets: {}\n", "fleet.yaml:2:1", "agnets"),
        ("name: x\nagents:\n  a: {tier: huge}\n", "fleet.yaml:3:13", "no tier `huge`"),
        ("name: x\nagents:\n  a: {port: 10010}\n", "fleet.yaml:3:13", "port 10010"),
        ("name: x\nagents: [\n", "fleet.yaml:", ""),
        (
            "name: x\nagents:\n  a: {depends_on: [b]}\n  b: {depends_on: [a]}\n",
            "fleet.yaml:",
            "wait for each other",
        ),
        ("name: x\nmemory: {reserve: 900TiB}\n", "fleet.yaml:", "needs 900TiB"),
    ],
)
def test_a_bad_one_is_told_by_place_and_reason(
    sutazai: CommandLine, text: str, place: str, reason: str
) -> None:
    Path("fleet.yaml").write_text(text)

    said = sutazai("check", "fleet.yaml")

    assert (said.code, said.out) == (2, "")
    assert f"error: {place}" in said.err
    assert reason in said.err
    assert "  → " in said.err or "[" in text


def test_every_problem_is_told_at_once(sutazai: CommandLine) -> None:
    Path("fleet.yaml").write_text("name: x\nagents:\n  a: {tier: huge}\n  b: {lead: nobody}\n")

    said = sutazai("check", "fleet.yaml")

    assert said.err.count("error: fleet.yaml:") == 2


def test_a_file_that_is_not_there_says_how_to_get_one(sutazai: CommandLine) -> None:
    said = sutazai("check", "nothing.yaml")

    assert said.code == 2
    assert "sutazai init" in said.err


def test_checking_for_scripts(sutazai: CommandLine) -> None:
    Path("good.yaml").write_text(GOOD)
    Path("bad.yaml").write_text("name: x\nagnets: {}\n")

    good, bad = sutazai("check", "good.yaml", "--json"), sutazai("check", "bad.yaml", "--json")

    assert (good.code, bad.code) == (0, 2)
    assert json.loads(good.out)["agents"] == 1
    assert json.loads(bad.out)["problems"][0]["line"] == 2


@pytest.mark.parametrize("profile", ["small", "default"])
def test_what_init_writes_is_good(sutazai: CommandLine, profile: str) -> None:
    said = sutazai("init", "--profile", profile)

    assert said.code == 0
    assert "sutazai up" in said.out
    assert Path("fleet.yaml").read_text().count("#") > 3
    assert sutazai("check").code == 0


def test_init_never_replaces_a_file(sutazai: CommandLine) -> None:
    Path("mine.yaml").write_text("precious\n")

    said = sutazai("init", "mine.yaml")

    assert said.code == 5
    assert "--force" in said.err
    assert Path("mine.yaml").read_text() == "precious\n"


def test_unless_it_is_told_to(sutazai: CommandLine) -> None:
    Path("mine.yaml").write_text("precious\n")

    assert sutazai("init", "mine.yaml", "--force").code == 0
    assert "name:" in Path("mine.yaml").read_text()


def test_init_in_a_folder_that_is_not_there(sutazai: CommandLine) -> None:
    assert sutazai("init", "nowhere/fleet.yaml").code == 2


def test_the_schema_is_json_schema(sutazai: CommandLine) -> None:
    schema = json.loads(sutazai("schema").out)

    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "agents" in schema["properties"]
