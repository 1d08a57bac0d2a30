"""Each kind of fault in a fleet of seventy, in virtual time: the built-in rules name the cause
first, and nobody is told of anything else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from sutazai.fleet.alert_status import AlertState
from sutazai.fleet.alerting import Notify
from sutazai.fleet.spec import Fleet
from sutazai.observe.alerts.declared import objectives_of, rules_of
from sutazai.observe.alerts.reporting import headlines
from sutazai.observe.samples import Sample
from tests.observe.alerts.watching import Watch, sample

AGENTS = [f"agent-{at:02}" for at in range(70)]
MIB = 1024.0**2
MINUTE = 6
"""Looks."""


@dataclass
class Machine:
    """A fleet as its metrics tell it; what is wrong is changed by a test."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    memory: dict[str, float] = field(default_factory=lambda: dict.fromkeys(AGENTS, 60 * MIB))
    down: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    available: bool = True
    breaker: int = 0
    queued: int = 3
    free: float = 0.4
    watch: Watch = field(
        default_factory=lambda: Watch(
            rules_of(Fleet(name="all")),
            objectives=objectives_of(Fleet(name="all")),
            notify=Notify.model_validate({"wait": "15s", "escalate": []}),
        )
    )

    def look(self, times: int = 1) -> None:
        """Each agent asks the model twice between two looks."""
        for _ in range(times):
            for name in AGENTS:
                self.calls[name, "failed" if name in self.failing else "done"] += 2
            self.watch.see(self.samples())

    def samples(self) -> list[Sample]:
        by_outcome: Counter[str] = Counter()
        for (_, outcome), count in self.calls.items():
            by_outcome[outcome] += count
        breaker = {"backend": "ollama", "model": "tinyllama"}
        return [
            sample("sutazai_gateway_backend_available", self.available, backend="ollama"),
            sample("sutazai_gateway_breaker_state", self.breaker, **breaker),
            sample("sutazai_gateway_queued", self.queued, priority="low"),
            sample("sutazai_disk_free_bytes", self.free * 1e11),
            sample("sutazai_disk_size_bytes", 1e11),
            sample("sutazai_database_up", self.free > 0.01),
            *(
                sample("sutazai_gateway_requests_total", count, outcome=outcome)
                for outcome, count in by_outcome.items()
            ),
            *(
                sample("sutazai_gateway_agent_requests_total", count, agent=name, outcome=outcome)
                for (name, outcome), count in self.calls.items()
            ),
            *(sample("sutazai_agent_up", name not in self.down, agent=name) for name in AGENTS),
            *(
                sample("sutazai_agent_memory_bytes", size, agent=name)
                for name, size in self.memory.items()
            ),
            *(
                sample("sutazai_agent_restarts_total", self.restarts[name], agent=name)
                for name in AGENTS
            ),
        ]

    @property
    def told(self) -> set[str]:
        """The rules that anybody was ever told of."""
        return {notice.alert.rule for notice in self.watch.told}

    @property
    def firing(self) -> set[str]:
        seen = self.watch.last.alerts
        return {alert.rule for alert in seen if alert.state is AlertState.FIRING}

    @property
    def headlines(self) -> tuple[str, ...]:
        return headlines(self.watch.last.alerts)


@pytest.fixture
def fleet() -> Machine:
    """All was well for ten minutes."""
    machine = Machine()
    machine.look(10 * MINUTE)
    assert machine.watch.words() == []
    return machine


def test_the_llm_is_down(fleet: Machine) -> None:
    fleet.available, fleet.breaker, fleet.queued = False, 2, 5000
    fleet.failing = {*AGENTS}
    fleet.look(10 * MINUTE)

    assert fleet.told == {"llm-down"}
    assert fleet.firing > {"llm-down", "calls-fail", "agent-calls-fail", "answered-burns-fast"}
    (told,) = fleet.headlines
    assert told.startswith("critical llm-down: no LLM can be reached")


def test_what_rules_go_on_seeing_after_the_llm_is_back_wakes_nobody(fleet: Machine) -> None:
    fleet.available, fleet.failing = False, {*AGENTS}
    fleet.look(4 * MINUTE)

    fleet.available, fleet.failing = True, set()
    fleet.look(20 * MINUTE)

    assert fleet.watch.words() == ["firing llm-down", "resolved llm-down"]


def test_what_goes_wrong_by_itself_after_the_llm_is_back_is_told(fleet: Machine) -> None:
    fleet.available, fleet.failing = False, {*AGENTS}
    fleet.look(4 * MINUTE)
    fleet.available, fleet.failing = True, {AGENTS[7]}
    fleet.look(20 * MINUTE)

    assert "agent-calls-fail" in fleet.firing
    assert "firing agent-calls-fail" in fleet.watch.words()


def test_an_agent_leaks(fleet: Machine) -> None:
    for _ in range(100 * MINUTE):
        fleet.memory["agent-07"] += MIB / 2
        fleet.look()

    assert fleet.told == {"agent-memory-grows"}
    (told,) = fleet.headlines
    assert "as by a leak: agent-07" in told


def test_a_breaker_opens(fleet: Machine) -> None:
    fleet.breaker, fleet.failing = 2, {*AGENTS[:20]}
    fleet.look(5 * MINUTE)

    assert fleet.told == {"breaker-open"}
    assert fleet.firing >= {"calls-fail", "agent-calls-fail"}
    assert fleet.headlines == (
        "critical breaker-open: the breaker of tinyllama on ollama is open: its calls fail",
    )


def test_calls_flood_the_queue(fleet: Machine) -> None:
    fleet.queued, fleet.failing = 9_900, {*AGENTS}
    fleet.look(5 * MINUTE)

    assert fleet.told == {"queue-long"}
    assert fleet.headlines == ("critical queue-long: 9900 calls wait for the model",)


def test_who_is_only_woken_by_what_is_critical_hears_of_a_cause_that_makes_it_so() -> None:
    targets = {"pager": {"url": "${HOOK}", "severities": ["critical"]}}
    fleet = Machine()
    fleet.watch.notify = Notify.model_validate({"targets": targets, "escalate": []})
    fleet.look(10 * MINUTE)
    fleet.queued, fleet.failing = 9_900, {*AGENTS}
    fleet.look(7 * MINUTE)
    fleet.queued, fleet.failing = 0, set()
    fleet.look(7 * MINUTE)

    told = [(one.word, one.alert.rule) for one in fleet.watch.told if one.targets]
    assert told == [("firing", "queue-long"), ("resolved", "queue-long")]


def test_an_agent_crashes_again_and_again(fleet: Machine) -> None:
    fleet.down = fleet.failing = {"agent-07"}
    for _ in range(5 * MINUTE):
        fleet.restarts["agent-07"] += 1
        fleet.look()

    assert fleet.told == {"crash-loop"}
    assert fleet.firing > {"agent-down", "agent-calls-fail"}
    assert fleet.headlines == ("critical crash-loop: it ends again and again: agent-07",)


def test_the_disk_is_nearly_full(fleet: Machine) -> None:
    fleet.free = 0.001
    fleet.look(5 * MINUTE)

    assert fleet.told == {"disk-nearly-full"}
    assert fleet.firing == {"disk-nearly-full", "database-down"}
    (told,) = fleet.headlines
    assert told.startswith("critical disk-nearly-full: of the disk with the fleet's state 0.1 %")


def test_two_causes_are_two_alerts(fleet: Machine) -> None:
    fleet.available, fleet.free = False, 0.03
    fleet.look(5 * MINUTE)

    assert fleet.told == {"llm-down", "disk-nearly-full"}
