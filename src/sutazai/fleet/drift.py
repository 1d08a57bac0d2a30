"""Drift, what runs otherwise than it is declared: what a fleet file says of it, what host and
gateway tell for it, and how it is shown."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from sutazai.fleet.declared import Interval, Spec
from sutazai.fleet.shapes import Shape

EVERY = 5.0
"""Seconds between two looks at one kind, where nothing else is declared."""


class DriftKind(StrEnum):
    """What can drift."""

    VERSION = "version"  # what the host runs, against what was planned
    ENVIRONMENT = "environment"  # variables of running processes
    LIMITS = "limits"  # memory and cores that the kernel holds instances to
    CODE = "code"  # agents' files on disk, against those that were accepted
    MODEL = "model"  # what goes by a model's name, against what first did in this revision
    BACKEND = "backend"  # what an LLM server was started with
    PORT = "port"  # who listens where the fleet is to be found


class Heal(StrEnum):
    """What is done about drift of one kind."""

    OFF = "off"
    REPORT = "report"
    AUTO = "auto"


class Healed(Spec):
    """A kind that can be put right."""

    heal: Heal = Field(
        Heal.REPORT,
        description="`off` does not look, `report` tells of it, `auto` puts it right, too.",
    )
    every: Interval = Field(EVERY, description="Time between two looks.")


class Told(Spec):
    """A kind that only a person can put right."""

    heal: Literal["off", "report"] = Field(
        "report", description="`off` does not look, `report` tells of it."
    )
    every: Interval = Field(EVERY, description="Time between two looks.")


class Drift(Spec):
    """What is done about what runs otherwise than it is declared, by kind. Nothing is put right
    while a rollout goes on."""

    version: Healed = Field(
        default_factory=Healed,
        description="Instances of another version than was planned; put right by telling the host "
        "again, or by a restart.",
    )
    environment: Healed = Field(
        default_factory=Healed,
        description="Variables that are not as declared, as after a secret's file has changed; "
        "put right by a restart of the instance.",
    )
    limits: Healed = Field(
        default_factory=Healed,
        description="Memory or cores that the kernel allows otherwise; put right by a restart of "
        "the instance.",
    )
    code: Healed = Field(
        default_factory=Healed,
        description="Agents' code on disk that is not what was accepted; put right by accepting "
        "it, which begins a rollout.",
    )
    model: Told = Field(
        default_factory=Told, description="Another model under a name than when it was first seen."
    )
    backend: Told = Field(
        default_factory=Told, description="An LLM server with other settings than are declared."
    )
    port: Told = Field(
        default_factory=Told, description="Somebody else's process on a port of the fleet."
    )

    def rule(self, kind: DriftKind) -> Healed | Told:
        """What is declared of one kind."""
        rule: Healed | Told = getattr(self, kind)
        return rule


class InstanceHeld(Shape):
    """What one instance really runs under, as its host sees it.

    One of the house's own processes is a ``plane``. One that is ``starting`` had no good health
    check yet. ``memory`` is bytes and ``cores`` how many it may keep busy, both None for all there
    are; they say something only where it is ``grouped``, in a control group of its own.
    ``variables`` is how many of its declared ones could be compared, ``differing`` says by name how
    they are otherwise (never their values), and ``why`` why some could not be compared.
    """

    unit: str
    instance: str
    version: str
    plane: bool = False
    starting: bool = False
    grouped: bool = False
    memory: int | None = None
    cores: float | None = None
    variables: int = 0
    differing: dict[str, str] = Field(default_factory=dict)
    why: str = ""


class HostHeld(Shape):
    """What a host was told, and what really runs.

    ``told`` are the versions of the units that it was told to run. ``pids`` are the processes from
    which all others of the fleet come, ``instances`` those that are neither ending nor frozen nor
    somebody else's. ``caps_cpu`` is whether instances can be held to a part of a core.
    """

    told: dict[str, str]
    pids: frozenset[int]
    caps_cpu: bool
    instances: tuple[InstanceHeld, ...] = ()


class BackendSetting(Shape):
    """A setting of an LLM server that is not as declared; both in words."""

    name: str
    wanted: str
    actual: str


class BackendHeld(Shape):
    """What one LLM server really has. ``digests`` are by model, of those that it tells."""

    name: str
    available: bool
    digests: dict[str, str] = Field(default_factory=dict)
    settings: tuple[BackendSetting, ...] = ()


class DriftFinding(Shape):
    """Something that is not as declared; times are seconds since 1970.

    Args:
        unit: the agent, service or backend, or who a port belongs to.
        what: what of it: a variable, a limit, a model, a port.
        instance: the one that a restart would put right, where it is one.
        healed: when something was last done about it.
    """

    kind: DriftKind
    unit: str
    what: str
    expected: str
    seen: str
    since: float
    instance: str = ""
    healed: float | None = None


class DriftReport(Shape):
    """The answer to `sutazai drift`.

    ``score`` is the share of ``checked`` facts that drift, 0 to 1; ``by_kind`` counts the facts.
    ``healed`` are findings of late that are no more after something was done about them, and
    ``unchecked`` says what could not be looked at.
    """

    at: float
    score: float = 0.0
    checked: int = 0
    by_kind: dict[DriftKind, int] = Field(default_factory=dict)
    findings: tuple[DriftFinding, ...] = ()
    healed: tuple[DriftFinding, ...] = ()
    unchecked: tuple[str, ...] = ()
