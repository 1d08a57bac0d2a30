"""What spans several parts of a fleet is found, with its place, its reason and what to do."""

from __future__ import annotations

import pytest

from sutazai.fleet.checks import check_fleet
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.ports import moved
from sutazai.fleet.problems import Severity, refuse_errors
from tests.fleet.fleets import LARGE, fleet_of, found, told

QUIET = "backends: {o: {url: 'http://127.0.0.1:11434', slots: 100}}\n"


def _errors(text: str) -> list[str]:
    return [line for line in told(found(text)) if line.startswith("error")]


def _warnings(text: str) -> list[str]:
    return [line for line in told(found(text)) if line.startswith("warning")]


def test_a_good_fleet_has_no_problems() -> None:
    assert (
        found(
            "name: x\ncatalogue: all\nagents: {mine: {lead: boss, depends_on: [db]}}\n"
            "services: {db: {command: [x], port: 10000}}\n" + QUIET
        )
        == []
    )


@pytest.mark.parametrize(
    ("text", "place", "words", "hint"),
    [
        # ports
        (
            "name: x\nagents:\n  a: {port: 10300}\n  b: {port: 10300}\n",
            "4:13",
            "port 10300 is wanted by agent `a` and by agent `b`",
            "give one of them another",
        ),
        (
            "name: x\nagents: {a: {port: 10104}}\n",
            "2:20",
            "port 10104 is wanted by the gateway and by agent `a`",
            "another",
        ),
        (
            "name: x\nports: {control: 9000, gateway: 9000}\n",
            "2:33",
            "port 9000 is wanted by the control plane and by the gateway",
            "another",
        ),
        (
            "name: x\nservices:\n  a: {command: [x], port: 80}\n  b: {command: [x], port: 80}\n",
            "4:27",
            "port 80 is wanted by service `a` and by service `b`",
            "another",
        ),
        (
            "name: x\nagents:\n  a: {runtime: remote, url: 'http://[::1]:10400', port: 10400}\n",
            "3:29",
            "agent `a` is said to run at port 10400, where agent `a` listens",
            "correct `url`",
        ),
        (
            "name: x\nbackends:\n  o: {url: 'http://localhost:10104'}\n",
            "3:12",
            "backend `o` is said to run at port 10104, where the gateway listens",
            "correct `url`",
        ),
        # names
        (
            "name: x\nagents: {a: {depends_on: [postgrs]}}\nservices: {postgres: {command: [x]}}\n",
            "2:27",
            "`depends_on` of agent `a`: there is no agent or service `postgrs`",
            "did you mean `postgres`?",
        ),
        (
            "name: x\nservices: {s: {command: [x], depends_on: [zzz]}}\n",
            "2:43",
            "`depends_on` of service `s`: there is no agent or service `zzz`",
            "declare it under `services`",
        ),
        (
            "name: x\nagents:\n  a: {lead: bos}\n  boss: {rank: lead}\n",
            "3:13",
            "`lead` of agent `a`: there is no agent `bos`",
            "did you mean `boss`?",
        ),
        (
            "name: x\nagents: {a: {tier: fats}}\n",
            "2:20",
            "`tier` of agent `a`: there is no tier `fats`",
            "did you mean `fast`?",
        ),
        (
            "name: x\ntiers: {standard: {backends: [gpu]}}\n",
            "2:31",
            "`backends` of tier `standard`: there is no backend `gpu`",
            "declare it under `backends`",
        ),
        (
            "name: x\nagents: {db: {}}\nservices: {db: {command: [x]}}\n",
            "3:12",
            "`db` is both an agent and a service",
            "another name",
        ),
        (
            "name: x\nagents: {gateway: {}}\n",
            "2:10",
            "agent `gateway` has the name of a part of SutazAI",
            "another name",
        ),
        # order
        (
            "name: x\nagents:\n  a: {depends_on: [b]}\n  b: {depends_on: [s]}\n"
            "services: {s: {command: [x], depends_on: [a]}}\n",
            "5:42",
            "these wait for each other and would never start: s → a → b → s",
            "remove one of them",
        ),
        (
            "name: x\nagents: {a: {depends_on: [s]}}\n"
            "services: {s: {command: [x], enabled: false}}\n",
            "2:27",
            "agent `a` waits for service `s`, which is not enabled",
            "set `enabled: true` for `s`",
        ),
        (
            "name: x\nagents: {a: {depends_on: [postgres], restart_with: [postgrs]}}\n"
            "services: {postgres: {command: [x]}}\n",
            "2:53",
            "agent `a` is to be restarted with `postgrs`, on which it does not depend",
            "did you mean `postgres`?",
        ),
        (
            "name: x\nagents: {a: {restart_with: [s]}}\nservices: {s: {command: [x]}}\n",
            "2:29",
            "agent `a` is to be restarted with `s`, on which it does not depend",
            "add `s` to `depends_on`",
        ),
        # hierarchy
        (
            "name: x\nagents:\n  a: {lead: b}\n  b: {}\n",
            "3:13",
            "agent `a` reports to `b`, which is itself a worker",
            "set `rank: lead` for `b`",
        ),
        (
            "name: x\nagents:\n  a: {rank: lead, lead: b}\n  b: {rank: lead, lead: a}\n",
            "3:25",
            "these lead each other: a → b → a",
            "has no `lead`",
        ),
        # runtimes
        (
            "name: x\nagents:\n  a: {runtime: container, image: y, network: host, "
            "container_port: 80}\n",
            "3:68",
            "`container_port` of agent `a` has no use in the machine's own network",
            "`{port}`",
        ),
        (
            "name: x\nservices:\n  s: {runtime: container, image: y, "
            "volumes: ['/run/docker.sock:/d']}\n",
            "3:46",
            "service `s` would get the container engine itself",
            "remove that volume",
        ),
        (
            "name: x\nagents: {a: {user: root}}\n",
            "2:14",
            "`user` of agent `a` has no use with runtime python",
            "`runtime: container`",
        ),
        (
            "name: x\nagents: {a: {command: [y]}}\n",
            "2:14",
            "`command` of agent `a` has no use with runtime python",
            "set `runtime: command`",
        ),
        (
            "name: x\nservices: {s: {command: [y], url: 'http://h'}}\n",
            "2:30",
            "`url` of service `s` has no use with runtime command",
            "set `runtime: remote`",
        ),
        (
            "name: x\nservices: {s: {command: [y], health: {path: /}}}\n",
            "2:45",
            "`health.path` of service `s` cannot be asked: it has no port",
            "set `port`",
        ),
        (
            "name: x\nagents:\n  a: {runtime: command, command: [y, '{port}'], replicas: 2}\n",
            "3:59",
            "2 instances of agent `a` would listen on one port",
            "set `replicas: 1`",
        ),
        # addresses and keys
        (
            "name: x\nagents: {a: {runtime: remote, url: 'localhost:80'}}\n",
            "2:36",
            "`url` of agent `a` is no address",
            "http://127.0.0.1:11434",
        ),
        (
            "name: x\nbackends: {o: {url: 'http://[bad'}}\n",
            "2:21",
            "`url` of backend `o` is no address",
            "http://",
        ),
        (
            "name: x\nbackends: {o: {url: 'http://h', api_key: sk-hunter2}}\n",
            "2:42",
            "`api_key` of backend `o` holds the key itself",
            "write `${NAME}`",
        ),
    ],
)
def test_each_error_has_its_place_its_reason_and_what_to_do(
    text: str, place: str, words: str, hint: str
) -> None:
    (error,) = _errors(text)

    assert error.startswith(f"error {place} {words}")
    assert hint in error
    assert "hunter2" not in error


@pytest.mark.parametrize(
    "text",
    [
        "agents: {a: {runtime: container, image: y, temperature: cold}}",
        "services: {s: {runtime: container, image: y, enabled: false}}",
        "services: {a: {command: [x], port: 1, enabled: false}, b: {command: [x], port: 1}}",
        "backends: {o: {url: 'unix:/run/llm.sock', api_key: 'file:key'}}",
        "backends: {o: {url: 'https://h/v1', api_key: 'Bearer ${KEY}'}}",
        "agents: {a: {runtime: command, command: [y], replicas: 2}}",
        "agents: {a: {lead: c}, c: {rank: orchestrator}}",
        "backends: {o: {url: 'http://127.0.0.1:11434'}}\n"
        "services: {ollama: {command: [x], port: 11434}}",
        "services: {off: {command: [x], enabled: false, depends_on: [also]}, "
        "also: {command: [x], enabled: false}}",
    ],
)
def test_what_only_looks_wrong_is_let_through(text: str) -> None:
    assert _errors(f"name: x\n{text}\n") == []


def test_workers_that_nobody_leads_are_warned_about_together() -> None:
    text = (
        "name: x\ncatalogue: all\nagents:\n  one: {}\n  two: {}\n  three: {}\n  four: {}\n" + QUIET
    )

    (warning,) = _warnings(text)

    assert warning.startswith("warning 4:3 4 agents (one, two, three, …) can speak with no other")
    assert "set `lead`" in warning
    assert _errors(text) == []


def test_where_nobody_has_a_lead_there_is_no_hierarchy_to_have_gaps() -> None:
    assert found("name: x\nagents: {a: {}, b: {}}\n" + QUIET) == []


def test_teams_without_an_orchestrator_cannot_reach_each_other() -> None:
    text = (
        "name: x\nagents:\n  a: {rank: lead}\n  b: {rank: lead}\n  c: {lead: a}\n  d: {lead: b}\n"
    )

    (warning,) = _warnings(text + QUIET)

    assert warning.startswith("warning 2:1 2 teams cannot reach each other")


def test_a_mistake_in_a_built_in_agent_s_surroundings_is_told_at_the_catalogue() -> None:
    (error, *_) = _errors("name: x\ncatalogue: [worker]\ntiers: {fast: {}}\n")

    assert error.startswith("error 2:12 `tier` of agent `worker`: there is no tier `standard`")


def test_problems_come_in_the_order_of_the_file() -> None:
    problems = found(
        "name: x\nagents:\n  a: {tier: q, port: 10010}\n  b: {lead: q}\nbackends: {o: {url: q}}\n"
    )

    places = [(problem.line, problem.column) for problem in problems]
    assert places == sorted(places)
    assert len(places) >= 4


def test_a_fleet_without_a_file_has_problems_without_places() -> None:
    fleet = fleet_of("name: x\nagents: {a: {tier: q}}\n" + QUIET)

    (problem,) = check_fleet(fleet, LARGE)

    assert (problem.file, problem.line, problem.column) == ("", 0, 0)
    assert problem.path == "agents.a.tier"
    assert str(problem) == problem.message


def test_a_moved_fleet_can_meet_what_it_did_not_meet_before() -> None:
    fleet = fleet_of("name: x\nagents: {a: {runtime: remote, url: 'http://127.0.0.1:20104'}}\n")

    assert [each for each in check_fleet(fleet, LARGE) if each.severity is Severity.ERROR] == []
    (problem,) = check_fleet(moved(fleet, 20010), LARGE)
    assert "where the gateway listens" in problem.message


def test_errors_refuse_and_warnings_are_handed_on() -> None:
    warned = found("name: x\nagents: {a: {temperature: hot, replicas: 3}}\n")
    both = found("name: x\nagents: {a: {temperature: hot, replicas: 3, tier: q}}\n")

    assert refuse_errors(warned) == warned
    with pytest.raises(BadFleet) as caught:
        refuse_errors(both)
    assert str(caught.value).startswith("fleet.yaml:2:51: `tier` of agent `a`")
    assert len(caught.value.data["problems"]) == 1
