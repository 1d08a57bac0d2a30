"""What both versions delivered, slice of time by slice of time. Pure.

Green is the canary, blue a fresh baseline of the old version. Both have the same agents, the same
size and limits, and run at the same time; so trouble of the machine or the LLM hits both alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import StrEnum

from sutazai.rollout.evidence.tallies import Latencies, Moments, Tally

SLICES_MOST = 500


class Trouble(StrEnum):
    """What makes a slice useless as evidence: it hits both versions, whichever is better."""

    LLM_DOWN = "llm-down"
    HOST_PRESSURE = "host-pressure"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one version delivered in one slice.

    Attributes:
        exposure: how much work it was offered, in a unit that both share, as weight x seconds.
        requests: requests through the front door, and those that failed.
        latency: their response times in seconds.
        tasks: tasks that ended, and those that failed.
        tools: tool calls, and those that failed.
        llm: LLM calls, and those that failed.
        tokens: tokens of each task that ended.
        memory: bytes of each instance, one sample an instance and slice.
        cpu: cores that each instance took, one sample an instance and slice.
    """

    exposure: float = 0.0
    requests: Tally = field(default_factory=Tally)
    latency: Latencies = field(default_factory=Latencies)
    tasks: Tally = field(default_factory=Tally)
    tools: Tally = field(default_factory=Tally)
    llm: Tally = field(default_factory=Tally)
    tokens: Moments = field(default_factory=Moments)
    memory: Moments = field(default_factory=Moments)
    cpu: Moments = field(default_factory=Moments)

    def __post_init__(self) -> None:
        if not 0 <= self.exposure < float("inf"):
            raise ValueError("exposure is 0 or more")

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(self))
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """Both versions over the same stretch of time."""

    green: Delivered
    blue: Delivered
    trouble: tuple[Trouble, ...] = ()

    def __add__(self, other: Slice) -> Slice:
        trouble = tuple(dict.fromkeys((*self.trouble, *other.trouble)))
        return Slice(self.green + other.green, self.blue + other.blue, trouble)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of one stage so far. A stage is a phase or the bake: ``stage`` of ``stages``, from 1.

    Shares of the traffic differ from stage to stage, so their evidence is never mixed: a version
    that gets more of it in a bad hour would look worse than it is (Simpson's paradox).
    """

    stage: int
    stages: int
    slices: tuple[Slice, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.stage <= self.stages:
            raise ValueError(f"stage {self.stage} of {self.stages} cannot be")
        if len(self.slices) > SLICES_MOST:
            raise ValueError(f"{SLICES_MOST} slices at most: merge neighbours with `coarser`")

    def clean(self) -> tuple[Slice, ...]:
        """The slices without trouble that hits both."""
        return tuple(each for each in self.slices if not each.trouble)

    def troubles(self) -> tuple[Trouble, ...]:
        """What kept slices out."""
        return tuple(dict.fromkeys(kind for each in self.slices for kind in each.trouble))


def coarser(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    """Half as many slices of twice the length, so that a long bake stays within the bound."""
    found = tuple(slices)
    pairs = zip(found[::2], found[1::2], strict=False)
    rest = found[-1:] if len(found) % 2 else ()
    return (*(first + second for first, second in pairs), *rest)


def merged(parts: Iterable[Delivered]) -> Delivered:
    """All of them as one."""
    return sum(parts, Delivered())
