"""A fleet file becomes a fleet, or one error that tells everything at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sutazai.fleet.errors import BadFleet
from sutazai.fleet.load import FILE_MAX, load, load_fleet, parse_fleet
from sutazai.fleet.problems import SHOWN
from sutazai.fleet.spec import Fleet, Runtime, Temperature
from tests.fleet.fleets import CATALOGUE, fleet_of, refusal


def _agent(*lines: str) -> str:
    return "\n".join(["name: x", "agents:", "  a:", *(f"    {line}" for line in lines)])


@pytest.mark.parametrize(
    ("text", "place", "words", "hint"),
    [
        # the top
        ("- a\n", "1:1", "must be keys with values, not a list", "name: my-fleet"),
        ("hello\n", "1:1", "must be keys with values, not text", "name: my-fleet"),
        ("description: x\n", "1:1", "`name` is missing in the fleet", "add `name: …`"),
        ("name: My Fleet\n", "1:7", "`My Fleet` cannot be a name", "lower-case"),
        (f"name: {'x' * 49}\n", "1:7", "is too long for a name", "48"),
        ("name: x\nagent: {}\n", "2:1", "unknown key `agent` in the fleet", "`agents`"),
        ("name: x\nzzz: 1\n", "2:1", "unknown key `zzz`", "known are version, name,"),
        ("name: x\nversion: 2\n", "2:10", "`version` must be 1, not a whole number", None),
        ("name: x\nagents: []\n", "2:9", "`agents` must be keys with values, not a list", None),
        ("name: x\nname: y\n", "2:1", "`name` stands here twice; first on line 1", None),
        # catalogue
        ("name: x\ncatalogue: al\n", "2:12", "must be all, none or a list", "[al]"),
        ("name: x\ncatalogue: 3\n", "2:12", "not a whole number", None),
        ("name: x\ncatalogue: [boss, workr]\n", "2:19", "no agent or group `workr`", "`worker`"),
        ("name: x\ncatalogue:\n  - taem\n", "3:5", "no agent or group `taem`", "`team`"),
        ("name: x\ncatalogue: [[a]]\n", "2:13", "lists names, not a list", None),
        # kinds of values
        (_agent("port: '80'"), "4:11", "must be a whole number, not text", "without quotes"),
        (_agent("port: true"), "4:11", "must be a whole number, not true or false", None),
        (_agent("port: 1.5"), "4:11", "must be a whole number, not a number", None),
        (_agent("port: 0"), "4:11", "`port` must be at least 1, not 0", None),
        (_agent("port: 70000"), "4:11", "`port` must be at most 65535, not 70000", None),
        (_agent("cpu: 0"), "4:10", "`cpu` must be above 0, not 0", None),
        (_agent("prompt: 5"), "4:13", "`prompt` must be text, not a whole number", "in quotes"),
        (_agent("prompt: [x]"), "4:13", "`prompt` must be text, not a list", None),
        (_agent("depends_on: db"), "4:17", "`depends_on` must be a list, not text", "[one, two]"),
        (_agent("environment: {A: 1}"), "4:22", "`A` must be text", "in quotes"),
        (_agent("environment: {A: }"), "4:21", "`A` must be text, not nothing", None),
        (_agent("health: 5"), "4:13", "`health` must be keys with values", None),
        ("name: x\ngateway: {keyless: yes}\n", "2:20", "`keyless` must be true or false", None),
        # choices
        (_agent("temperature: ht"), "4:18", "must be hot, warm or cold, not `ht`", "`hot`"),
        (_agent("rank: 3"), "4:11", "orchestrator, lead or worker, not a whole number", None),
        ("name: x\nmemory: {pools: {std: 1GiB}}\n", "2:18", "`std` is none of", None),
        # units and names
        ("name: x\nmemory: {reserve: 512}\n", "2:19", "`reserve`: expected a number with", None),
        (_agent("health: {interval: 5}"), "4:24", "one of the units ms, s, m, h, d", None),
        (_agent("health: {interval: 0s}"), "4:24", "`interval`: expected 1ms at least", None),
        (_agent("memory: 512"), "4:13", "or a size as 512MiB", None),
        (_agent("memory: 0B"), "4:13", "no memory at all", None),
        (_agent(f"memory: {'9' * 400}B"), "4:13", "or a size as 512MiB", None),
        (_agent("tier: Fast"), "4:11", "`Fast` cannot be a name", "my-agent"),
        (_agent("class: Greeter"), "4:12", "must be written `module:Class`", None),
        ("name: x\nagents: {Bad_Name: {}}\n", "2:10", "`Bad_Name` cannot be a name", "dashes"),
        # keys
        (_agent("promt: hi"), "4:5", "unknown key `promt` in agent `a`", "`prompt`"),
        (_agent("env: {}"), "4:5", "unknown key `env` in agent `a`", "`environment`"),
        (_agent("class_: a:B"), "4:5", "unknown key `class_` in agent `a`", "`class`"),
        (_agent("frobnicate: 1"), "4:5", "unknown key `frobnicate`", "docs/fleet-file.md"),
        (
            _agent("health: {intervall: 5s}"),
            "4:14",
            "unknown key `intervall` in `health` of agent `a`",
            "`interval`",
        ),
        ("name: x\nbackends:\n  o: {}\n", "3:3", "`url` is missing in backend `o`", "`url: …`"),
        # what several keys make together
        (_agent("runtime: command"), "4:14", "runtime command needs `command`", None),
        (_agent("runtime: container"), "4:14", "runtime container needs `image`", None),
        (
            _agent("runtime: remote", "url: http://h/", "prompt: hi"),
            "6:13",
            "`prompt` is for runtime python, not remote",
            None,
        ),
        (
            _agent("runtime: command", "command: [a]", "pull: true", "replayable: true"),
            "7:17",
            "who fetches its tasks cannot be given any to replay",
            None,
        ),
        (
            "name: x\nservices:\n  s: {runtime: python}\n",
            "3:16",
            "a service has runtime command, container or remote",
            None,
        ),
        (
            "name: x\nports: {agents_first: 2000, agents_last: 1000}\n",
            "2:23",
            "`agents_first` is above `agents_last`",
            None,
        ),
        # of YAML, and yet with a place in the fleet
        (_agent("cpu: .inf"), "4:10", "a number must be finite", None),
        (_agent("prompt: !file x"), "4:13", "the tag !file means nothing", None),
    ],
)
def test_each_mistake_is_told_once_with_its_place(
    text: str, place: str, words: str, hint: str | None
) -> None:
    error = refusal(text)

    assert str(error).startswith(f"fleet.yaml:{place}: ")
    assert words in str(error)
    assert len(error.data["problems"]) == 1
    assert hint is None or hint in (error.hint or "")


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order() -> None:
    error = refusal("name: x\nbogus: 1\nagents:\n  a: {tier: T, port: x}\n  b: {promt: hi}\n")

    assert str(error).splitlines() == [
        "fleet.yaml:2:1: unknown key `bogus` in the fleet",
        "    did you mean `bus`?",
        "fleet.yaml:4:13: `T` cannot be a name",
        "    a name is lower-case letters, digits and single dashes, a letter first, as my-agent",
        "fleet.yaml:4:22: `port` must be a whole number, not text",
        "fleet.yaml:5:7: unknown key `promt` in agent `b`",
        "    did you mean `prompt`?",
    ]


def test_problems_are_there_for_programs_too() -> None:
    error = refusal("name: x\nagents:\n  a:\n    depends_on: [b, 3]\n")

    assert error.data["problems"] == [
        {
            "file": "fleet.yaml",
            "line": 4,
            "column": 21,
            "path": "agents.a.depends_on[1]",
            "message": "`depends_on` must be text, not a whole number",
            "hint": "put it in quotes",
            "severity": "error",
        }
    ]


def test_a_thousand_mistakes_do_not_flood_the_screen() -> None:
    error = refusal("name: x\n" + "".join(f"key-{number}: 1\n" for number in range(1000)))

    lines = str(error).splitlines()
    assert lines[-1] == f"and {1000 - SHOWN} more"
    assert len(lines) <= 2 * SHOWN + 1
    assert len(error.data["problems"]) == 200


def test_what_is_odd_in_a_key_cannot_garble_the_terminal() -> None:
    error = refusal('name: x\n"\\e[31m\\nred": 1\n')

    assert "\x1b" not in str(error)
    assert len(str(error).splitlines()) == 1


def test_a_value_is_never_printed_where_it_may_be_a_secret() -> None:
    error = refusal("name: x\nagents:\n  a: {environment: {TOKEN: 83749284}, api_key: hunter2}\n")

    assert "83749284" not in repr(error.as_dict())
    assert "hunter2" not in repr(error.as_dict())


def test_a_fleet_has_its_defaults_and_every_agent_a_port() -> None:
    fleet = fleet_of("name: x\nagents:\n  a: {prompt: hi}\n  b: {class: 'm:C', port: 10300}\n")

    assert fleet.agents["a"].port == 10301
    assert fleet.agents["b"].class_ == "m:C"
    assert fleet.agents["a"].temperature is Temperature.WARM
    assert set(fleet.tiers) == {"fast", "standard", "complex"}


def test_keys_without_a_value_count_as_not_written() -> None:
    fleet = fleet_of(
        "name: x\nmemory:\nservices:\nagents:\n  a:\n  b: {port: , health: {path: }}\n"
        "tiers:\n  fast:\n  standard:\n"
    )

    assert fleet.services == {}
    assert set(fleet.agents) == {"a", "b"}
    assert set(fleet.tiers) == {"fast", "standard"}


def test_a_loaded_fleet_survives_being_written_and_read_as_json() -> None:
    fleet = fleet_of(
        "name: x\ncatalogue: all\nmemory: {total: 1.5GiB, pools: {critical: 1GiB}}\n"
        "agents: {a: {class: 'm:C', health: {interval: 1.5ms}}}\n"
    )

    restored = Fleet.model_validate_json(fleet.model_dump_json(by_alias=True))

    assert restored.model_copy(update={"agents": {}}) == fleet.model_copy(update={"agents": {}})
    assert set(restored.agents) == set(fleet.agents)


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\r\nagents:\r\n  a:\r\n    runtime: command\r\n")

    with pytest.raises(BadFleet) as caught:
        load_fleet(path, catalogue=CATALOGUE)
    path.write_text("name: x\nagents: {n: {runtime: command, command: [n]}}\n")

    assert str(caught.value).startswith(f"{path}:4:14: ")
    assert load(path, catalogue=CATALOGUE).positions.of_key(("agents", "n")) == (2, 10)
    assert load_fleet(path, catalogue=CATALOGUE).agents["n"].runtime is Runtime.COMMAND


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: x\ndescription: caf\xe9\n")
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        os.truncate(file.fileno(), 100 * 1024**2)

    for path, place, words in (
        (tmp_path / "missing.yaml", "1:1", "there is no such file"),
        (folder, "1:1", "this is a folder"),
        (latin, "2:17", "this is not UTF-8"),
        (huge, "1:1", f"larger than {FILE_MAX // 1024**2} MiB"),
        (Path("nul\0byte"), "1:1", "cannot be read"),
    ):
        with pytest.raises(BadFleet) as caught:
            load_fleet(path, catalogue=CATALOGUE)
        assert str(caught.value).startswith(f"{path}:{place}: ")
        assert words in str(caught.value)


def test_the_catalogue_that_ships_is_the_default() -> None:
    fleet = parse_fleet("name: x\ncatalogue: all\n", file="fleet.yaml")

    assert len(fleet.agents) == 69
