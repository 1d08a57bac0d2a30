"""What a fleet is doing now: the shapes that host and control answer with, and faces show.

Times are seconds since 1970 (``at``, ``since``) or seconds (``uptime``); memory is bytes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from sutazai.fleet.desired import Kind
from sutazai.fleet.shapes import Shape
from sutazai.fleet.spec import Runtime, Temperature


class State(StrEnum):
    """Where a unit stands."""

    WAITING = "waiting"  # for what it depends on
    STARTING = "starting"  # a process runs, no good health check yet
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"  # runs, and its last check failed
    STOPPING = "stopping"
    BACKING_OFF = "backing-off"  # ended, and will be started again
    FAILED = "failed"  # ended too often; left alone until somebody asks
    STOPPED = "stopped"  # by request
    FROZEN = "frozen"  # an instance of a unit that is asleep: it stands still, its memory in swap
    ASLEEP = "asleep"  # warm or cold, and nobody needs it
    NOT_INSTALLED = "not-installed"  # cold, and its program is not on this machine
    EXTERNAL = "external"  # runtime remote: somebody else runs it


class Level(StrEnum):
    """How short memory is; each one includes what is done at those before it."""

    NORMAL = "normal"
    WARNING = "warning"
    CRITICAL = "critical"
    EMERGENCY = "emergency"


class PressureStatus(Shape):
    """Memory as the host's policy sees it.

    ``percent`` of ``total`` bytes are in use; ``stalled`` is PSI in percent of the last 10 s, None
    where the kernel does not tell it; ``withheld`` counts the instances that were ended for want of
    memory and are not back.
    """

    level: Level = Level.NORMAL
    percent: float = 0.0
    used: int = 0
    total: int = 0
    stalled: float | None = None
    withheld: int = 0


class Exit(Shape):
    """How an instance ended. Exactly one of ``status`` and ``signal``, or neither if unknown.

    ``peak`` is the most memory that it took and ``limit`` what it might take, where they are known.
    """

    instance: str
    at: float
    status: int | None = None
    signal: str | None = None
    reason: str
    out_of_memory: bool = False
    peak: int | None = None
    limit: int | None = None
    lines: tuple[str, ...] = ()


class InstanceStatus(Shape):
    """One running copy. ``failures`` are health checks failed in a row, ``trouble`` the last one's
    reason.

    One that is ``attached`` is a container that somebody else started, and is never stopped here.
    ``memory``, ``peak`` and ``limit`` are what its control group counts and allows, with the files
    that it has read; ``reserved`` is what is counted for it; ``cpu`` is seconds of processor time;
    ``pss`` is its share of all memory that processes hold. None where nothing was measured.
    """

    instance: str
    pid: int
    state: State
    since: float
    version: str
    address: str | None = None
    pss: int | None = None
    memory: int | None = None
    peak: int | None = None
    limit: int | None = None
    reserved: int | None = None
    cpu: float | None = None
    failures: int = 0
    trouble: str = ""
    attached: bool = False


class UnitStatus(Shape):
    """One unit as its host sees it; ``reason`` says why it is in this state, ``version`` which
    instances it should have."""

    name: str
    version: str = ""
    kind: Kind
    runtime: Runtime
    temperature: Temperature
    state: State
    reason: str = ""
    since: float
    restarts: int = 0
    instances: tuple[InstanceStatus, ...] = ()
    last_exit: Exit | None = None

    @property
    def pss(self) -> int | None:
        """Proportional memory of all instances in bytes; None where nothing was measured."""
        known = [instance.pss for instance in self.instances if instance.pss is not None]
        return sum(known) if known else None


class IsolationStatus(Shape):
    """How agents and services are kept from each other.

    ``own`` units run as users of their own and ``shared`` ones as the host's; ``landlock`` is the
    kernel's ABI of it, 0 for none; ``hidden`` says whether the fleet's own files and sockets are
    out of the instances' sight. ``why`` has a sentence for each thing that could be better.
    """

    own: int = 0
    shared: int = 0
    landlock: int = 0
    hidden: bool = False
    why: tuple[str, ...] = ()


class HostStatus(Shape):
    """One machine as its host sees it."""

    pid: int
    revision: int
    keeper: bool
    units: tuple[UnitStatus, ...] = ()
    limits: str = Field(description="How limits are held here: cgroup-v2, cgroup-v1 or accounting.")
    limits_why: str = Field("", description="Why no better way is used, where there is one.")
    caps_cpu: bool = Field(False, description="Whether instances can be held to a part of a core.")
    throttle: float | None = Field(
        None, description="Cores that each agent is held to in an emergency."
    )
    pressure: PressureStatus = PressureStatus()
    isolation: IsolationStatus = IsolationStatus()


class Event(Shape):
    """Something that happened, for people and for the log. ``sequence`` grows by one a source."""

    sequence: int
    at: float
    source: str
    kind: str
    unit: str | None = None
    message: str
    data: dict[str, Any] = Field(default_factory=dict)


class AgentStatus(UnitStatus):
    """One agent, with what the fleet file says of it."""

    description: str = ""
    group: str = ""
    rank: str = ""
    lead: str | None = None
    tier: str = ""
    priority: str = ""
    port: int | None = None


class PoolTotals(Shape):
    """One pool by temperature: how many are declared, how many run well, what they take."""

    declared: int = 0
    healthy: int = 0
    instances: int = 0
    pss: int = 0


class LlmStatus(Shape):
    """The LLM behind the gateway: ``source`` is `embedded`, `ollama` or `declared`."""

    source: str
    backends: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    healthy: bool = False
    queued: int = 0
    running: int = 0
    slots: int = 0


class FleetStatus(Shape):
    """The answer to `sutazai status`."""

    fleet: str
    revision: int
    started: float
    state: str = Field(description="Path of the state folder.")
    urls: dict[str, str] = Field(default_factory=dict)
    agents: tuple[AgentStatus, ...] = ()
    services: tuple[UnitStatus, ...] = ()
    planes: tuple[UnitStatus, ...] = ()
    pools: dict[Temperature, PoolTotals] = Field(default_factory=dict)
    llm: LlmStatus
    limits: str = ""
    limits_why: str = ""
    throttle: float | None = None
    pressure: PressureStatus = PressureStatus()
    isolation: IsolationStatus = IsolationStatus()
    alerts: tuple[str, ...] = Field((), description="What fires and is heard, the cause first.")
    problems: tuple[str, ...] = ()
