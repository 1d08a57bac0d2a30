"""What is wrong with tiers, aliases, callers and managed servers is found, with place and hint."""

from __future__ import annotations

import pytest

from sutazai.fleet.checks import check_fleet
from sutazai.fleet.fit import Machine, running_shares
from sutazai.fleet.units import parse_size
from tests.fleet.fleets import LARGE, fleet_of, found, loaded, told

QUIET = "backends: {o: {url: 'http://127.0.0.1:11434', slots: 100}}\n"
MANAGED = "name: x\nbackends:\n  o: {url: 'http://127.0.0.1:11434', dialect: ollama, managed: {}}\n"


def lines(text: str, severity: str) -> list[str]:
    return [line for line in told(found(text)) if line.startswith(severity)]


@pytest.mark.parametrize(
    ("text", "place", "words", "hint"),
    [
        # tiers
        (
            "tiers: {fast: {fallback: [standrd]}, standard: {}}\n",
            "2:27",
            "`fallback` of tier `fast`: there is no tier `standrd`",
            "did you mean `standard`?",
        ),
        (
            "tiers: {a: {fallback: [a]}}\n",
            "2:24",
            "the tier `a` falls back on itself",
            "name another tier",
        ),
        (
            "tiers: {auto: {}}\n",
            "2:9",
            "a tier cannot be called `auto`",
            "another name",
        ),
        (
            "tiers: {a: {versions: {one: {model: m, backends: [gpu]}}}}\n",
            "2:51",
            "`backends` of version `one` of tier `a`: there is no backend `gpu`",
            "declare it under `backends`",
        ),
        (
            "tiers: {a: {versions: {one: {model: m, weight: 0}, two: {model: n, weight: 0}}}}\n",
            "2:13",
            "every version of tier `a` has weight 0",
            "a `weight` above 0",
        ),
        # aliases
        (
            "gateway: {aliases: {fast: standard}}\n",
            "2:21",
            "the alias `fast` hides the tier `fast`",
            "another name",
        ),
        (
            "gateway: {aliases: {auto: standard}}\n",
            "2:21",
            "the alias `auto` hides the choice of a tier",
            "another name",
        ),
        (
            "gateway: {aliases: {gpt-4o: ' '}}\n",
            "2:29",
            "the alias `gpt-4o` stands for nothing",
            "name a tier or a model",
        ),
        # auto
        (
            "gateway: {auto: [{tier: fats}]}\n",
            "2:25",
            "`tier` of rule 1 of `auto`: there is no tier `fats`",
            "did you mean `fast`?",
        ),
        # callers
        (
            "agents: {a: {tiers: [standard, huge]}}\n",
            "2:32",
            "`tiers` of agent `a`: there is no tier `huge`",
            "there are: `fast`, `standard`, `complex`",
        ),
        (
            "clients: {c: {secret: '${K}', tiers: [huge]}}\n",
            "2:39",
            "`tiers` of client `c`: there is no tier `huge`",
            "there are",
        ),
        (
            "agents: {a: {tiers: [fast, complex]}}\n",
            "2:21",
            "agent `a` asks for tier `standard` unless told otherwise, which is not among its",
            "set `tier` to one of `fast`, `complex`",
        ),
        (
            "agents: {a: {}}\nclients: {a: {secret: '${K}'}}\n",
            "3:11",
            "the client `a` has the name of an agent",
            "another name",
        ),
        (
            "clients: {c: {secret: hunter2}}\n",
            "2:23",
            "`secret` of client `c` holds the secret itself",
            "write `${NAME}`",
        ),
        (
            "backends: {z: {url: 'https://h', api_version: v, slots: 9,"
            " entra: {tenant: t, client: c, secret: hunter2}}}\n",
            "2:98",
            "`entra.secret` of backend `z` holds the secret itself",
            "write `${NAME}`",
        ),
    ],
)
def test_each_error_has_its_place_its_reason_and_what_to_do(
    text: str, place: str, words: str, hint: str
) -> None:
    quiet = "" if text.startswith("backends") else QUIET

    (error,) = lines(f"name: x\n{text}{quiet}", "error")

    assert error.startswith(f"error {place} {words}")
    assert hint in error
    assert "hunter2" not in error


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (
            "gateway: {aliases: {one: two, two: standard}}\n",
            "2:26",
            "the alias `one` stands for `two`, an alias too, which is not followed",
        ),
        (
            "tiers: {standard: {model: llama3}}\ngateway: {aliases: {llama3: standard}}\n",
            "3:21",
            "the alias `llama3` hides the model of that name",
        ),
        (
            "agents: {a: {budget: {tokens_per_minute: 9, tokens_per_day: 8}}}\n",
            "2:42",
            "agent `a` may use 9 tokens in a minute and 8 in a whole day",
        ),
        (
            "agents: {a: {budget: {concurrency: 1}}}\n",
            "2:36",
            "an instance of agent `a` takes 4 tasks at once, and all together may have 1 call to",
        ),
        (
            "gateway: {queue: {overflow: another-tier}}\n",
            "2:29",
            "calls that find the queue full should go to another tier",
        ),
        (
            "clients: {c: {secret: '${K}', context: another-tier}}\n",
            "2:40",
            "prompts of `c` that are too long should go to another tier",
        ),
    ],
)
def test_what_may_be_meant_so_is_warned_about(text: str, place: str, words: str) -> None:
    (warning,) = lines(f"name: x\n{text}{QUIET}", "warning")

    assert warning.startswith(f"warning {place} {words}")
    assert lines(f"name: x\n{text}{QUIET}", "error") == []


@pytest.mark.parametrize(
    "text",
    [
        "tiers: {fast: {fallback: [standard]}, standard: {fallback: [fast]}}",
        "tiers: {standard: {versions: {a: {model: m}, b: {model: n, weight: 0}}}}",
        "gateway: {aliases: {gpt-4o: standard, claude: 'some-model:latest'}}",
        "tiers: {standard: {}}",  # the built-in rules of `auto` speak of tiers that it lacks
        "agents: {a: {tiers: [fast], tier: fast, budget: {concurrency: 4}}}",
        "clients: {me: {secret: 'file:~/key', tiers: [fast]}}",
        "tiers: {fast: {fallback: [standard]}, standard: {}}\n"
        "agents: {a: {context: another-tier}}\ngateway: {queue: {overflow: another-tier}}",
    ],
)
def test_what_only_looks_wrong_is_let_through(text: str) -> None:
    assert told(found(f"name: x\n{text}\n{QUIET}")) == []


# servers that the fleet starts


def test_a_managed_server_counts_in_the_memory_plan_and_its_slots_are_known() -> None:
    text = (
        "name: x\nbackends: {o: {url: 'http://127.0.0.1:11434', dialect: ollama,"
        " managed: {memory: 6GiB, threads: 4, parallel: 3}}}\n"
        "agents: {a: {temperature: hot, replicas: 4}}\n"
    )

    (share,) = [each for each in running_shares(fleet_of(text)) if each.name == "ollama-o"]

    assert (share.memory, share.cores) == (parse_size("6GiB"), 4)
    assert "4 hot agents share 3 LLM slots" in told(found(text))[0]


def test_a_program_that_is_missing_is_told_and_refuses_nothing() -> None:
    whole = loaded(MANAGED)
    machine = Machine(LARGE.memory, LARGE.cores, missing=frozenset({"ollama"}))

    (warning,) = told(check_fleet(whole.fleet, machine, whole.positions))

    assert warning.startswith(
        "warning 3:55 backend `o` is to be started by the fleet, and `ollama`"
    )
    assert "https://ollama.com/download" in warning
    assert found(MANAGED) == []


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.7:11434", "https://127.0.0.1:11434", "unix:/run/o", "http://localhost:1/base"],
)
def test_a_managed_server_can_only_be_on_this_machine(url: str) -> None:
    (error,) = lines(MANAGED.replace("http://127.0.0.1:11434", url), "error")

    assert "can only be on this machine" in error
    assert "remove `managed`" in error


def test_its_port_must_be_its_own() -> None:
    service = "services: {db: {command: [x], port: 11434}}\n"
    second = "  p: {url: 'http://localhost:11434', dialect: ollama, managed: {}}\n"

    (with_service,) = lines(MANAGED + service, "error")
    (with_second,) = lines(MANAGED + second, "error")
    (with_gateway,) = lines(MANAGED.replace("11434", "10104"), "error")

    assert "port 11434 is wanted by service `db` and by backend `o`" in with_service
    assert "port 11434 is wanted by backend `o` and by backend `p`" in with_second
    assert "port 10104 is wanted by the gateway and by backend `o`" in with_gateway


def test_its_unit_s_name_must_be_free() -> None:
    (error,) = lines(MANAGED + "agents: {ollama-o: {}}\n", "error")

    assert error.startswith("error 3:3 backend `o` is started as `ollama-o`")


def test_figures_that_contradict_what_it_is_started_with_are_told() -> None:
    text = MANAGED.replace("managed: {}", "slots: 8, loaded_models: 1, managed: {parallel: 2}")

    (warning,) = lines(text, "warning")

    assert "backend `o` is started with 2 and counted with `slots: 8`" in warning
