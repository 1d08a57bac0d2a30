"""What the fleet file says of isolation: who runs as whom, what it reaches, on which cores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from sutazai.fleet.declared import Name, Port, Spec

RunAs = Literal["own", "host"]

RANGES_PATTERN = r"^\d+(-\d+)?(,\d+(-\d+)?)*$"
RANGE_PATTERN = r"^\d+-\d+$"
BLOCK = 1024
"""How many uids a fleet takes at once, and so the least that a range may hold."""
_CORES_MAX = 4096
_SYSTEM = 1000
_UIDS_MAX = 2**32 - 2


def numbers(text: str) -> tuple[int, ...]:
    """The numbers of ``0-3,8``, in order. Raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        first, last = _bounds(part)
        if last >= _CORES_MAX:
            raise ValueError(f"no machine has a core {last}")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def uid_range(text: str) -> range:
    """The uids of ``200000-265535``. Raises ValueError."""
    first, last = _bounds(text)
    if first < _SYSTEM or last >= _UIDS_MAX:
        raise ValueError(f"uids for agents are from {_SYSTEM} up, and below {_UIDS_MAX}")
    if last - first + 1 < BLOCK:
        raise ValueError(f"expected {BLOCK} uids at least")
    return range(first, last + 1)


def _bounds(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    bounds = int(first), int(last or first)
    if bounds[0] > bounds[1]:
        raise ValueError(f"{text} begins above its end")
    return bounds


def _is_cores(text: str) -> str:
    numbers(text)
    return text


def _is_uids(text: str) -> str:
    uid_range(text)
    return text


Cores = Annotated[str, StringConstraints(pattern=RANGES_PATTERN), AfterValidator(_is_cores)]
Uids = Annotated[str, StringConstraints(pattern=RANGE_PATTERN), AfterValidator(_is_uids)]


def _ports(value: object) -> object:
    if value == "none":
        return ()
    if isinstance(value, (list, tuple)) and all(isinstance(port, int) for port in value):
        return tuple(value)
    raise ValueError("expected `none`, or ports as [443]: the kernel knows ports, not hosts")


Egress = Annotated[
    tuple[Port, ...],
    BeforeValidator(_ports),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "none"},
                {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
            ]
        }
    ),
]
"""TCP ports; none of them where it is empty."""


class Isolation(Spec):
    """How units are kept from each other, where they do not say otherwise."""

    run_as: RunAs = Field(
        "own",
        description="Where root starts the fleet: each unit as a user of its `own`, or all as the "
        "`host`, with its rights.",
    )
    uids: Uids = Field(
        "1900000000-1900999999",
        description="Whom they run as; fleets of one machine share the range, and no uid.",
    )


class Isolated(Spec):
    """What a unit says of its isolation."""

    run_as: RunAs | None = Field(
        None,
        description="`own` user or the `host`'s (`python`, `command`); else as in `isolation`.",
    )
    reads: tuple[str, ...] | None = Field(
        None,
        description="Paths it may read. With `reads` or `writes` it reaches these, its folder, its "
        "home and the system's programs, and nothing else (`python`, `command`).",
    )
    writes: tuple[str, ...] | None = Field(
        None, description="Paths it may read and write; missing folders are made."
    )
    egress: Egress | None = Field(
        None,
        description="TCP ports it may connect to, as `[443]`, or `none`; the gateway always "
        "(`python`, `command`).",
    )
    affinity: Name | None = Field(
        None, description="Set of cores in `affinity` it runs on; without it, that of its pool."
    )

    @property
    def declared_isolation(self) -> tuple[str, ...]:
        """The keys that were given, to which only a process of ours can be held."""
        keys = ("run_as", "reads", "writes", "egress", "affinity")
        return tuple(key for key in keys if getattr(self, key) is not None)
