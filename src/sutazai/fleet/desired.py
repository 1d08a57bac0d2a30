"""Policy for the host: what should run on one machine. Control makes it, the host keeps a copy."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from sutazai.fleet.declared import Priority
from sutazai.fleet.observing import LogFormat
from sutazai.fleet.shapes import Shape
from sutazai.fleet.spec import Network, Pool, Runtime, Temperature

GATEWAY = "{gateway}"
"""Stands for the gateway's address, as a container reaches it, in its environment. In that of an
agent the address has the agent's key in it, for programs that can send none."""


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


class Container(Shape):
    """What a container is beside its program's command and environment.

    ``volumes`` are `mounts` with full paths; ``port`` is where it listens within, None where it
    takes the one that it is told. One that runs already and is called ``attach`` is taken instead.
    """

    image: str
    entrypoint: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    port: int | None = None
    network: Network = Network.BRIDGE
    user: str | None = None
    read_only: bool = False
    directory: str | None = None
    attach: str | None = None


class Scaling(Shape):
    """How many instances there may be while calls wait; durations in seconds.

    More start once a call waited for ``wait``, up to ``most``; one ends after each ``cooldown`` in
    which fewer would have done.
    """

    most: int
    wait: float = 1.0
    cooldown: float = 30.0


class Isolation(Shape):
    """How the instances of a unit are kept from others.

    ``uid`` is the user of its own; without one ``why`` says why. ``reads`` and ``writes`` are full
    paths, None for all; ``egress`` are the TCP ports it may connect to, None for all.
    """

    uid: int | None = None
    why: str = ""
    reads: tuple[str, ...] | None = None
    writes: tuple[str, ...] | None = None
    egress: tuple[int, ...] | None = None


class DesiredUnit(Shape):
    """One unit as the host needs to know it.

    ``version`` is a digest of everything that makes an instance what it is; an instance of another
    version is replaced, one of the same is left alone. ``address`` is where a `command` or `remote`
    unit listens (`wire` form); `python` instances get a Unix socket each. ``memory_limit`` is in
    bytes, 0 is none; ``cpu`` is the cores that an instance counts for, and without it may take all;
    ``gpu_memory`` is bytes. ``concurrency`` is how many calls an instance takes at once, 0 where
    nobody can tell; ``replicas`` are the fewest instances while it is awake.

    ``agent`` is whom it serves, where that has another name: while an agent moves to a new version
    one unit runs that beside the old one. A unit on ``standby`` is kept for calls that may come
    back, and gets none now.

    ``group`` is what metrics go by where there are too many agents.

    It is replaced when one of ``restart_with`` was restarted, and each instance at the age of
    ``recycle_after`` seconds. ``throttle`` is how many cores it may take at most in an emergency.
    """

    name: str
    kind: Kind
    version: str
    runtime: Runtime
    group: str = ""
    agent: str = ""
    standby: bool = False
    temperature: Temperature = Temperature.HOT
    replicas: int = 1
    entry: str | None = None
    python: str | None = None
    requirements: str | None = None
    code: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    command: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    directory: str | None = None
    address: str | None = None
    container: Container | None = None
    probe: Probe = Field(default_factory=Probe)
    depends_on: tuple[str, ...] = ()
    restart_with: tuple[str, ...] = ()
    recycle_after: float | None = None
    memory_limit: int = 0
    standing: Standing = Standing.ORDINARY
    cpu: float | None = None
    throttle: float | None = None
    gpu_memory: int = 0
    pool: Pool = Pool.STANDARD
    concurrency: int = 0
    scale: Scaling | None = None
    priority: Priority = Priority.MEDIUM
    stop_timeout: float = 10.0
    idle_after: float = 300.0
    stopped: bool = False
    isolation: Isolation | None = None
    cores: tuple[int, ...] = ()

    @property
    def serves(self) -> str:
        """The agent whose calls it gets."""
        return self.agent or self.name


class Plan(Shape):
    """How a machine's memory is shared out, in bytes.

    Args:
        total: what the fleet may take, None for all that the machine has.
        reserve: kept free for bursts.
        house: what the fleet's own processes and its embedded LLM take.
        pools: bounds on what the units of each pool hold together.
    """

    total: int | None = None
    reserve: int = 0
    house: int = 0
    pools: dict[Pool, int] = Field(default_factory=dict)


class Desired(Shape):
    """All units of one machine. A higher ``revision`` replaces a lower one as a whole.

    Without a ``plan`` memory is not shared out. ``logs`` is how the lines of all units are kept.
    """

    revision: int
    plan: Plan | None = None
    logs: LogFormat = LogFormat.CONSOLE
    units: tuple[DesiredUnit, ...] = ()
