"""What the three processes tell of a fleet of 150 agents and 55 services that do everything that
can be told: all tables, with all their values."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, product

from sutazai.control.metrics.table import CONTROL, ControlFigures
from sutazai.fleet.alert_defaults import OBJECTIVES
from sutazai.fleet.alerting import Objective
from sutazai.fleet.desired import Kind
from sutazai.fleet.spec import Pool, Temperature
from sutazai.fleet.status import Level, PressureStatus, State
from sutazai.gateway.cells import BackendGauges, Gauges
from sutazai.gateway.metrics import Metrics
from sutazai.gateway.records.call import Outcome
from sutazai.host.machine.facts import Memory
from sutazai.host.metrics import MACHINE, UNITS, MachineFigures
from sutazai.host.register import UnitFigures
from sutazai.observe.alerts.objectives import Ledger
from sutazai.store import WorkFigures
from sutazai.wire.exposition import families, labels
from sutazai.wire.process import own_families
from tests.gateway.records.makers import call

UNIT_COUNTS = {Kind.AGENT: 150, Kind.SERVICE: 55, Kind.PLANE: 4}
BACKENDS, CORES, MODELS = 6, 12, ("tinyllama", "phi", "llama")
TIERS = ("fast", "standard", "complex")
STATES = (State.HEALTHY, State.ASLEEP, State.FAILED, State.STARTING)


def host_text() -> str:
    of_units = (
        families(UNITS[kind], [_unit(kind, number) for number in range(count)])
        for kind, count in UNIT_COUNTS.items()
    )
    return _text(chain(families(MACHINE, [_machine()]), *of_units, own_families("host")))


def gateway_text() -> str:
    metrics = Metrics()
    metrics.declare({f"agent-{number}": "workers" for number in range(UNIT_COUNTS[Kind.AGENT])})
    callers = [f"agent-{number}" for number in range(UNIT_COUNTS[Kind.AGENT])]
    callers += [f"passer-by-{number}" for number in range(20)]
    for number, (caller, outcome) in enumerate(product(callers, Outcome)):
        where = {"backend": f"backend-{number % BACKENDS}", "model": MODELS[number % 3]}
        tier = TIERS[number % 3] if number % 7 else ""
        metrics.observe([call(caller=caller, outcome=outcome.value, tier=tier, **where)])
    return _text(metrics.render(_gauges()))


def control_text() -> str:
    work = WorkFigures(tasks={}, runs={}, queued={}, ready=1.0, paused=0, due=0)
    ledger = Ledger(Objective.model_validate(OBJECTIVES["answered"]))
    ledger.add({}, 1.0)
    figures = ControlFigures(
        now=2.0,
        revision=1,
        problems=0,
        schedules=1,
        work=work,
        latency=0.1,
        connections=(1, 3),
        peers={"host": True, "gateway": True},
        recording=True,
        history_size=1,
        disk=(1, 2),
        objectives=ledger.samples("answered"),
        traces=(3, 1),
    )
    return _text(chain(families(CONTROL, [figures]), own_families("control")))


def _text(pieces: Iterable[bytes]) -> str:
    return b"".join(pieces).decode()


def _unit(kind: Kind, number: int) -> UnitFigures:
    return UnitFigures(labels(**{kind.value: f"{kind.value}-{number}"}), 1, 2, 3.0, 4)


def _machine() -> MachineFigures:
    return MachineFigures(
        agents=dict.fromkeys(product(STATES, Temperature, [Pool.CRITICAL, Pool.STANDARD]), 1),
        services=dict.fromkeys(STATES, 1),
        pools=dict.fromkeys(Pool, (1, 2, 3)),
        cores={str(core): 1.0 for core in range(CORES)},
        memory=Memory(4, 3, 2, 1, None),
        pressure=PressureStatus(level=Level.WARNING),
        stalled={"cpu": 1.0, "memory": 2.0, "io": 3.0},
        waiting=1,
        ports=1,
    )


def _gauges() -> Gauges:
    backends = [
        BackendGauges(
            f"backend-{number}", True, 1, 2, dict.fromkeys(MODELS, "open"), {MODELS[number % 3]: 9}
        )
        for number in range(BACKENDS)
    ]
    return Gauges(
        revision=1,
        uptime=1.0,
        paused=False,
        queued={"high": 1, "medium": 2, "low": 3},
        oldest_wait=1.0,
        backends=backends,
        cache_bytes=1,
        cache_hits=1,
        cache_misses=1,
        dead_letters=0,
        records_dropped=0,
    )
