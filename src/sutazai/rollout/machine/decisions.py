"""What a rollout wants done. Each is told again at every look until it is seen to be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sutazai.fleet.rollouts import Arm, Moment


@dataclass(frozen=True)
class TakeBackup:
    """A backup is to be made and verified."""


@dataclass(frozen=True)
class RehearseRollback:
    """The way back is to be gone once, with nothing moved."""


@dataclass(frozen=True)
class Ensure:
    """These agents' instances of ``arm`` are to run and are not healthy yet."""

    arm: Arm
    agents: tuple[str, ...]


@dataclass(frozen=True)
class Route:
    """Where new work goes from now on: for every agent of the rollout a weight for each arm.

    The weights of an agent are 0 to 1 and add up to 1. A gateway that has a higher ``generation``
    of the same rollout ignores it.
    """

    generation: int
    weights: Mapping[str, Mapping[Arm, float]]


@dataclass(frozen=True, kw_only=True)
class AskVerdict:
    """Evidence of window ``window`` is to be judged.

    Args:
        cohort: agents that are compared; ``split`` says that a baseline stands beside them.
        since: when the window began, in wall-clock seconds.
        seconds: how much of it counts so far.
        target: at so many seconds the verdict is wanted for good.
    """

    window: int
    cohort: tuple[str, ...]
    split: bool
    since: float
    seconds: float
    target: float


@dataclass(frozen=True)
class Replay:
    """Recorded inputs of these agents are to be replayed, each once in a window and to each of
    ``arms`` alike."""

    window: int
    agents: tuple[str, ...]
    arms: tuple[Arm, ...]


@dataclass(frozen=True)
class Drain:
    """These get no new work; what they have in hand has ``seconds`` left."""

    arm: Arm
    agents: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Stop:
    """These agents' instances of ``arm`` are to end."""

    arm: Arm
    agents: tuple[str, ...]


@dataclass(frozen=True)
class Announce:
    """A moment to be written down and told."""

    moment: Moment


Decision = (
    TakeBackup | RehearseRollback | Ensure | Route | AskVerdict | Replay | Drain | Stop | Announce
)
