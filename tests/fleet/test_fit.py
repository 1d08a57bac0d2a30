"""Whether a fleet fits its machine, with the figures that say why not."""

from __future__ import annotations

import pytest

from sutazai.fleet.fit import PLANES, Machine, llm_memory, reserved_memory, running_shares
from sutazai.fleet.problems import Severity
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.fleet.spec import MIB, Fleet
from tests.fleet.fleets import GIB, fleet_of, found, told

QUIET = "backends: {o: {url: 'http://far:11434', slots: 1000}}\n"


def _hot(count: int, extra: str = "") -> str:
    return "agents:\n" + "".join(f"  a{at}: {{temperature: hot{extra}}}\n" for at in range(count))


def test_hot_agents_services_the_llm_and_the_reserve_add_up() -> None:
    text = (
        "name: x\nmemory: {reserve: 1GiB}\nservices: {db: {command: [x], memory: 3GiB}}\n"
        + _hot(40)
    )

    (error,) = [each for each in found(text, Machine(8 * GIB, 64)) if each.severity == "error"]

    assert (error.line, error.path) == (2, "memory.total")
    assert error.message == (
        "the fleet needs 10.3GiB of memory and may use 8GiB: hot agents (40) 5GiB, services (1) "
        "3GiB, embedded LLM 968.8MiB, SutazAI itself 320MiB, reserve 1GiB"
    )
    assert error.hint == "set `temperature: warm` for 19 of the hot agents to save 2.4GiB"
    assert found(text, Machine(11 * GIB, 64))[0].severity is Severity.WARNING


def test_where_agents_are_not_what_is_too_much_the_largest_are_named() -> None:
    text = "name: x\nservices: {db: {command: [x], memory: 30GiB}}\n" + QUIET

    (error,) = told(found(text, Machine(16 * GIB, 8)))

    assert "(14.8GiB too much; the largest are db 30GiB)" in error


def test_the_plan_s_total_bounds_a_larger_machine() -> None:
    text = "name: x\nmemory: {total: 2GiB}\n" + _hot(20) + QUIET

    (error,) = told(found(text, Machine(64 * GIB, 8)))

    assert "error 2:17 the fleet needs 3.3GiB of memory and may use 2GiB" in error


def test_a_total_beyond_the_machine_is_warned_about_but_not_what_firmware_keeps() -> None:
    text = "name: x\nmemory: {total: 16GiB}\n" + QUIET

    assert found(text, Machine(int(15.6 * GIB), 8)) == []
    (warning,) = told(found(text, Machine(8 * GIB, 8)))
    assert warning.startswith("warning 2:17 `memory.total` is 16GiB, and the machine has 8GiB")


def test_warm_cold_disabled_and_far_away_take_nothing() -> None:
    fleet = fleet_of(
        """
name: x
agents:
  warm: {}
  cold: {temperature: cold}
  none: {temperature: hot, replicas: 0}
  far: {temperature: hot, runtime: remote, url: "http://far:80"}
services:
  off: {command: [x], memory: 8GiB, enabled: false}
  far-db: {runtime: remote, url: "http://far:5432", memory: 8GiB}
"""
        + QUIET
    )

    assert running_shares(fleet) == []
    assert reserved_memory(fleet) == PLANES + fleet.memory.reserve


def test_what_somebody_else_runs_on_this_machine_counts() -> None:
    fleet = fleet_of(
        "name: x\nservices:\n  db: {runtime: remote, url: 'http://127.0.0.1:5432', memory: 2GiB}\n"
        "  bus: {runtime: remote, url: 'unix:/run/bus.sock', memory: 1GiB}\n" + QUIET
    )

    assert sum(share.memory for share in running_shares(fleet)) == 3 * GIB


def test_an_agent_reserves_128_mib_or_its_class_and_every_replica_counts() -> None:
    fleet = fleet_of(
        "name: x\nagents:\n  a: {temperature: hot, memory: ml_heavy, replicas: 3}\n"
        "  b: {temperature: hot, memory: utilities}\n" + QUIET
    )

    assert [share.memory for share in running_shares(fleet)] == [384 * MIB, 64 * MIB]


def test_a_pool_bounds_its_members() -> None:
    text = (
        "name: x\nmemory: {pools: {critical: 200MiB, standard: 1GiB}}\nagents:\n"
        "  a: {temperature: hot, pool: critical}\n  b: {temperature: hot, pool: critical}\n"
        "  c: {pool: critical}\n" + QUIET
    )

    (error,) = told(found(text))

    assert error.startswith(
        "error 2:28 pool critical is bounded to 200MiB, and its 2 members that always run need "
        "256MiB (raise the bound, or take one out; the largest are a 128MiB, b 128MiB)"
    )


def test_the_embedded_llm_is_a_member_of_infrastructure() -> None:
    (error, *_) = told(found("name: x\nmemory: {pools: {infrastructure: 512MiB}}\n"))

    assert "pool infrastructure is bounded to 512MiB" in error
    assert "embedded LLM 968.8MiB" in error


def test_pools_that_cannot_all_be_full_at_once_are_warned_about() -> None:
    text = "name: x\nmemory: {pools: {critical: 6GiB, standard: 6GiB}}\n" + QUIET

    (warning,) = told(found(text, Machine(8 * GIB, 8)))

    assert warning.startswith(
        "warning 2:10 pools and reserve add up to 12.5GiB, and there are 8GiB"
    )
    assert "lower them by 4.5GiB" in warning


@pytest.mark.parametrize(
    ("cores", "severity"), [(10, None), (9, "warning"), (2.5, "warning"), (2, "error")]
)
def test_overbooked_cores_are_a_warning_and_hopelessly_overbooked_ones_an_error(
    cores: float, severity: str | None
) -> None:
    text = "name: x\n" + _hot(20, ", cpu: 0.5") + QUIET

    problems = found(text, Machine(64 * GIB, cores))

    assert [problem.severity for problem in problems] == ([severity] if severity else [])
    if severity:
        assert f"wants 10 cores when all of it works, and the machine has {cores:g}" in (
            problems[0].message
        )


def test_threads_of_the_embedded_llm_count_where_they_are_set() -> None:
    fleet = fleet_of("name: x\nllm: {threads: 4}\n" + _hot(2, ", cpu: 0.5"))

    assert sum(share.cores for share in running_shares(fleet)) == 5


def test_hot_agents_beyond_the_slots_are_told_that_they_wait() -> None:
    embedded = told(found("name: x\nllm: {slots: 1}\n" + _hot(3)))
    backends = told(
        found(
            "name: x\n"
            + _hot(3, ", replicas: 2")
            + "backends: {a: {url: 'http://a', slots: 2}, b: {url: 'http://b', slots: 3}}\n"
        )
    )

    assert embedded[0].startswith(
        "warning 2:7 3 hot agents share 1 LLM slot: when all ask at once, 2 wait"
    )
    assert "6 hot agents share 5 LLM slots: when all ask at once, 1 wait" in backends[0]


@pytest.mark.parametrize(
    ("model", "size", "least", "most"),
    [
        ("smollm2-135m-instruct", None, 900, 1000),
        ("/models/llama2-7b-q4_k_m.gguf", None, 7900, 8200),
        ("/models/llama2-7b-q4_k_m.gguf", 3800 * MIB, 8000, 8200),
        ("hf:org/model-3.8B-f16.gguf", None, 9000, 10000),
        ("/models/mystery.gguf", None, 2000, 2300),
        ("/models/mystery.gguf", 100 * MIB, 900, 1000),
    ],
)
def test_the_embedded_llm_is_estimated_from_its_file_or_its_name(
    model: str, size: int | None, least: int, most: int
) -> None:
    estimate = llm_memory(EmbeddedLlm(model=model), size) / MIB

    assert least < estimate < most


def test_context_slots_and_prompt_cache_count() -> None:
    small = Fleet.model_validate(
        {"name": "x", "llm": {"slots": 1, "context": 1024, "prompt_cache": "0B"}}
    )
    large = Fleet.model_validate(
        {"name": "x", "llm": {"slots": 4, "context": 8192, "prompt_cache": "8GiB"}}
    )

    assert llm_memory(large.llm) - llm_memory(small.llm) == 8 * GIB + 31 * 1024 * 24 * 1024


GPU = "name: x\nagents: {{a: {{temperature: {0}, gpu_memory: 3GiB}}, b: {{gpu_memory: 2GiB}}}}\n"


def test_gpu_memory_beyond_what_there_is_is_refused_with_figures() -> None:
    machine = Machine(64 * GIB, 8, gpu=2 * GIB)

    (error,) = told(found(GPU.format("warm") + QUIET, machine))

    assert "the fleet needs 3GiB of GPU memory, and there are 2GiB" in error
    assert found(GPU.format("warm") + QUIET, Machine(64 * GIB, 8, gpu=3 * GIB)) == []


def test_where_no_tool_tells_gpu_memory_that_is_warned_about() -> None:
    (warning,) = told(found(GPU.format("hot") + QUIET, Machine(64 * GIB, 8)))

    assert warning.startswith("warning 2:44 GPU memory is declared, and neither nvidia-smi nor")
