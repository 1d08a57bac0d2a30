"""Policy for the host: what should run on one machine. Control makes it, the host keeps a copy."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sutazai.fleet.declared import Priority
from sutazai.fleet.spec import Runtime, Temperature


class Shape(BaseModel):
    """A message between processes: immutable, and tolerant of fields a newer peer adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Kind(StrEnum):
    """What a unit is to the house; stops happen in this order, starts in reverse."""

    AGENT = "agent"
    SERVICE = "service"
    PLANE = "plane"


class Standing(StrEnum):
    """What may be ended for want of memory: critical units last and never for being idle, protected
    ones not at all."""

    ORDINARY = "ordinary"
    CRITICAL = "critical"
    PROTECTED = "protected"


class Probe(Shape):
    """How the host tells that an instance is well; durations in seconds.

    With a ``path`` by HTTP, else with ``tcp`` by a connection, else by running at all.
    """

    path: str | None = None
    tcp: bool = False
    interval: float = 10.0
    timeout: float = 5.0
    failures: int = 3
    grace: float = 30.0


class DesiredUnit(Shape):
    """One unit as the host needs to know it.

    ``version`` is a digest of everything that makes an instance what it is; an instance of another
    version is replaced, one of the same is left alone. ``address`` is where a `command` or `remote`
    unit listens (`wire` form); `python` instances get a Unix socket each. ``memory_limit`` is in
    bytes, 0 is none; ``cpu`` is the cores that an instance counts for, and without it may take all.
    """

    name: str
    kind: Kind
    version: str
    runtime: Runtime
    temperature: Temperature = Temperature.HOT
    replicas: int = 1
    entry: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    command: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    directory: str | None = None
    address: str | None = None
    probe: Probe = Field(default_factory=Probe)
    depends_on: tuple[str, ...] = ()
    memory_limit: int = 0
    standing: Standing = Standing.ORDINARY
    cpu: float | None = None
    priority: Priority = Priority.MEDIUM
    stop_timeout: float = 10.0
    idle_after: float = 300.0
    stopped: bool = False


class Desired(Shape):
    """All units of one machine. A higher ``revision`` replaces a lower one as a whole."""

    revision: int
    units: tuple[DesiredUnit, ...] = ()
