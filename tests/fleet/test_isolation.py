"""What may be declared of isolation and cores, and what a machine cannot hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sutazai.fleet.checks import check_fleet
from sutazai.fleet.fit import Machine
from sutazai.fleet.isolation import numbers, uid_range
from sutazai.fleet.problems import Problem, Severity
from tests.fleet.fleets import LARGE, loaded, refusal

MODERN = replace(LARGE, landlock=7, cpus=frozenset(range(4)))


def found(text: str, machine: Machine = MODERN) -> list[Problem]:
    read = loaded(f"name: f\n{text}")
    return check_fleet(read.fleet, machine, read.positions)


def told(text: str, machine: Machine = MODERN) -> list[str]:
    return [f"{problem.line}: {problem.message}" for problem in found(text, machine)]


def test_cores_are_written_as_ranges() -> None:
    assert numbers("0-2,8") == (0, 1, 2, 8)
    assert numbers("7") == (7,)
    for text in ("3-1", "0-99999"):
        with pytest.raises(ValueError):
            numbers(text)


def test_uids_are_a_range_of_some_size_above_those_of_the_system() -> None:
    assert uid_range("200000-265535") == range(200_000, 265_536)
    for text in ("0-70000", "200000-200010", "4294000000-4294967295"):
        with pytest.raises(ValueError):
            uid_range(text)


def test_bad_ranges_are_refused_with_their_place() -> None:
    assert "begins above its end" in str(refusal("name: f\naffinity: {llm: 3-1}"))
    assert "uids" in str(refusal("name: f\nisolation: {uids: 200000-200010}"))
    assert "ports, not hosts" in str(refusal("name: f\nagents: {a: {egress: ['example.org:443']}}"))


def test_what_this_kernel_holds_is_accepted() -> None:
    text = "agents: {a: {reads: [data], writes: [out], egress: [443], run_as: host}}"
    assert told(text) == []


def test_paths_and_ports_that_the_kernel_cannot_hold_are_refused() -> None:
    text = "agents:\n  a:\n    reads: [data]\n    egress: none\n"
    assert told(text, replace(MODERN, landlock=0)) == [
        "4: `reads` of agent `a` cannot be held by this kernel (Landlock 0)",
        "5: `egress` of agent `a` cannot be held by this kernel (Landlock 0)",
    ]
    assert told(text, replace(MODERN, landlock=3)) == [
        "5: `egress` of agent `a` cannot be held by this kernel (Landlock 3)"
    ]
    assert told(text, replace(MODERN, landlock=None)) == []


def test_what_runs_elsewhere_cannot_be_held() -> None:
    text = "services:\n  s: {runtime: remote, url: 'http://127.0.0.1:9', egress: none}\n"
    assert told(text) == ["3: `egress` of service `s` has no use with runtime remote"]


def test_a_core_that_is_missing_is_a_warning() -> None:
    (problem,) = found("affinity:\n  llm: 2-5\n")
    assert problem.severity is Severity.WARNING
    assert problem.message == "this machine has no core 4; what is bound to `llm` runs on all"
    assert problem.hint == "it has 0-3; name some of these, or remove `llm`"


def test_a_set_of_cores_belongs_to_a_pool_the_llm_or_a_unit() -> None:
    (problem,) = found("affinity: {mine: 0-1}")
    assert problem.severity is Severity.WARNING
    assert problem.message == "nothing runs on the cores `mine`"
    assert told("affinity: {mine: 0-1, critical: 2-3}\nagents: {a: {affinity: mine}}") == []


def test_an_unknown_set_of_cores_is_refused() -> None:
    text = "affinity: {vectors: 0-1}\nservices: {s: {command: [x], affinity: vector}}"
    (first, *_) = [p for p in found(text) if p.severity is Severity.ERROR]
    assert first.message == "`affinity` of service `s`: there is no set of cores `vector`"
    assert first.hint == "did you mean `vectors`?"
