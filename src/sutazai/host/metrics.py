"""What Prometheus reads of the host: units, memory by pool, cores, pressure. Read when asked for.

A unit has four series (up, memory, CPU time, restarts), whatever it does; an agent may have some of
its own. Where there are more agents than `fleet.labelling` tells apart, those of a group are added
up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from sutazai.fleet.desired import Kind
from sutazai.fleet.spec import Pool
from sutazai.fleet.status import Level, PressureStatus, State
from sutazai.host.admission.desk import Desk
from sutazai.host.consumption import NOTHING, Consumption, Taken
from sutazai.host.instances.ports import FIRST, LAST
from sutazai.host.machine.cgroups import read_groups
from sutazai.host.machine.cpus import read_busy
from sutazai.host.machine.facts import Memory
from sutazai.host.machine.reading import ROOT, read_memory, stalled
from sutazai.host.own_metrics import OwnMetrics
from sutazai.host.register import Place, Register, UnitFigures, register_of
from sutazai.host.units.supervisor import Supervisor
from sutazai.wire import Request, Response, Router
from sutazai.wire.exposition import (
    CONTENT_TYPE,
    Table,
    Value,
    counter,
    families,
    gauge,
    labels,
    plain,
)
from sutazai.wire.process import own_families

log = logging.getLogger(__name__)

LEVELS = tuple(Level)
PORTS = range(FIRST, LAST + 1)
LOOPBACK = "http://127.0.0.1:"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFigures:
    """How things stand. Sizes in bytes, ``stalled`` in percent by resource, ``cores`` in seconds.

    ``agents`` counts by state, temperature and pool, ``services`` by state; ``pools`` has what is
    used, reserved and there, None where it has no bound.
    """

    agents: Mapping[Place, int]
    services: Mapping[State, int]
    pools: Mapping[str, tuple[int, int, int | None]]
    cores: Mapping[str, float]
    memory: Memory
    pressure: PressureStatus
    stalled: Mapping[str, float | None]
    waiting: int
    ports: int


class HostMetrics:
    """Tells them at ``GET /metrics``.

    Args:
        pressure: memory as the policy sees it.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        desk: Desk,
        pressure: Callable[[], PressureStatus],
        *,
        root: Path = ROOT,
    ) -> None:
        self._supervisor = supervisor
        self._desk = desk
        self._pressure = pressure
        self._root = root
        self._groups = read_groups(root)
        self._consumption = Consumption()
        self._own = OwnMetrics()
        self._register: tuple[tuple[int, int], Register] | None = None

    def serve(self, router: Router) -> None:
        """Adds its endpoint to ``router``."""
        router.add("GET", "/metrics", self._answer)

    async def _answer(self, request: Request) -> Response:
        pieces = []
        for piece in await self._families():
            pieces.append(piece)
            await asyncio.sleep(0)
        return Response(200, [("content-type", CONTENT_TYPE)], b"".join(pieces))

    async def _families(self) -> Iterator[bytes]:
        register = self._registered()
        awake = self._supervisor.awake
        taken = await self._consumption.look(awake, self._supervisor.names)
        return chain(
            families(MACHINE, [self._machine(register, taken)]),
            *(families(UNITS[kind], register.figures(kind, awake, taken)) for kind in Kind),
            self._of_agents(register),
            own_families("host"),
        )

    def _of_agents(self, register: Register) -> list[bytes]:
        """What agents count themselves."""
        units = self._supervisor.awake
        told = {
            one.name: (unit.spec.name, one.own)
            for unit in units
            for one in unit.instances
            if one.own
        }
        texts, refused = self._own.look(told, register.labels[Kind.AGENT])
        for words in refused:
            log.warning("%s", words)
        return texts

    def _registered(self) -> Register:
        """What is declared; put together anew where that changed."""
        units = self._supervisor.units
        mark = self._supervisor.desired.revision, len(units)
        if self._register is None or self._register[0] != mark:
            self._register = mark, register_of(unit.spec for unit in units)
        return self._register[1]

    def _machine(self, register: Register, taken: Mapping[str, Taken]) -> MachineFigures:
        awake = self._supervisor.awake
        used: Counter[Pool] = Counter()
        for unit in awake:
            used[unit.spec.pool] += taken.get(unit.spec.name, NOTHING).memory or 0
        return MachineFigures(
            agents=register.agents(awake),
            services=register.services(awake),
            pools={pool: (used[pool], *held) for pool, held in self._desk.pools.items()},
            cores=read_busy(self._root),
            memory=read_memory(self._root, self._groups),
            pressure=self._pressure(),
            stalled={
                what: stalled(self._root / "proc/pressure" / what)
                for what in ("cpu", "memory", "io")
            },
            waiting=self._desk.waiting,
            ports=sum(_port(one.record.address) in PORTS for u in awake for one in u.instances),
        )


def _port(address: str | None) -> int:
    port = (address or "").removeprefix(LOOPBACK)
    return int(port) if port.isdigit() else 0


def _of_unit(
    read: Callable[[UnitFigures], int | float | None],
) -> Callable[[UnitFigures], Iterator[Value]]:
    def values(one: UnitFigures) -> Iterator[Value]:
        if (value := read(one)) is not None:
            yield one.label, value

    return values


def _units(kind: Kind) -> Table[UnitFigures]:
    """The table of the units of one kind."""
    name = f"sutazai_{kind.value}"
    return (
        gauge(f"{name}_up", "Whether it is well, where it is due to be.", _of_unit(lambda u: u.up)),
        gauge(f"{name}_memory_bytes", "Memory of its instances.", _of_unit(lambda u: u.memory)),
        counter(
            f"{name}_cpu_seconds_total",
            "CPU time of its instances, also of those that ended.",
            _of_unit(lambda u: round(u.cpu, 3)),
        ),
        counter(f"{name}_restarts_total", "Restarts.", _of_unit(lambda u: u.restarts)),
    )


UNITS = {kind: _units(kind) for kind in Kind}


def _agents(now: MachineFigures) -> Iterator[Value]:
    for (state, temperature, pool), count in now.agents.items():
        yield labels(state=state, temperature=temperature, pool=pool), count


def _of_pools(now: MachineFigures, place: int) -> Iterator[Value]:
    for pool, figures in now.pools.items():
        if (value := figures[place]) is not None:
            yield labels(pool=pool), value


MACHINE: Table[MachineFigures] = (
    gauge("sutazai_agents", "Agents by state.", _agents),
    gauge(
        "sutazai_services",
        "Services by state.",
        lambda now: ((labels(state=state), count) for state, count in now.services.items()),
    ),
    gauge("sutazai_pool_used_bytes", "Memory that its units take.", partial(_of_pools, place=0)),
    gauge(
        "sutazai_pool_reserved_bytes",
        "Memory that is counted for its instances.",
        partial(_of_pools, place=1),
    ),
    gauge("sutazai_pool_size_bytes", "Bound of the pool.", partial(_of_pools, place=2)),
    counter(
        "sutazai_core_busy_seconds_total",
        "Time in which the core did anything.",
        lambda now: ((labels(core=core), round(busy, 2)) for core, busy in now.cores.items()),
    ),
    gauge(
        "sutazai_machine_memory_size_bytes",
        "Main memory of the machine.",
        plain(lambda now: now.memory.total),
    ),
    gauge(
        "sutazai_machine_memory_available_bytes",
        "Main memory that can be had.",
        plain(lambda now: now.memory.available),
    ),
    gauge("sutazai_machine_swap_free_bytes", "Free swap.", plain(lambda now: now.memory.swap_free)),
    gauge(
        "sutazai_memory_used_bytes",
        "Memory in use, where it is shortest: in the machine or in our control group.",
        plain(lambda now: now.pressure.used),
    ),
    gauge(
        "sutazai_memory_limit_bytes",
        "Memory that there is in the same place.",
        plain(lambda now: now.pressure.total),
    ),
    gauge(
        "sutazai_pressure_level",
        "0 normal, 1 warning, 2 critical, 3 emergency.",
        plain(lambda now: LEVELS.index(now.pressure.level)),
    ),
    gauge(
        "sutazai_pressure_withheld",
        "Instances that were ended for want of memory and are not back.",
        plain(lambda now: now.pressure.withheld),
    ),
    gauge(
        "sutazai_pressure_stalled_ratio",
        "Share of the last 10 s in which something waited for it (PSI).",
        lambda now: (
            (labels(resource=what), percent / 100)
            for what, percent in now.stalled.items()
            if percent is not None
        ),
    ),
    gauge(
        "sutazai_admission_waiting",
        "Units that wait for room or for the LLM.",
        plain(lambda now: now.waiting),
    ),
    gauge(
        "sutazai_ports_used",
        "Ports that programs were told to listen on.",
        plain(lambda now: now.ports),
    ),
    gauge("sutazai_ports_limit", "Ports that there are for them.", plain(lambda now: len(PORTS))),
)
