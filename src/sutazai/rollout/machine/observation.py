"""What one look at a rollout shows. All that the machine knows of the world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sutazai.fleet.rollout_findings import Judgement, Verdict
from sutazai.fleet.rollouts import Arm


class Health(StrEnum):
    """How the instances of one arm of an agent are, together.

    One that sleeps and wakes by a call is healthy. Unknown where nobody can tell, as while the
    host is away.
    """

    UNKNOWN = "unknown"
    ABSENT = "absent"
    STARTING = "starting"
    HEALTHY = "healthy"
    BROKEN = "broken"


class Check(StrEnum):
    """One thing that must be done before a rollout begins."""

    WAITING = "waiting"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True)
class Copy:
    """One arm of an agent; ``in_hand`` counts calls, tasks and messages that it has begun, and one
    that is ``awake`` takes memory."""

    health: Health = Health.UNKNOWN
    in_hand: int = 0
    awake: bool = False


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What is done beforehand; a bad one ends the rollout, and ``why`` says what is wrong."""

    backends: Check = Check.WAITING
    baselines: Check = Check.WAITING
    backup: Check = Check.WAITING
    rehearsal: Check = Check.WAITING
    why: str = ""

    @property
    def checks(self) -> Mapping[str, Check]:
        return {
            "backends": self.backends,
            "baselines": self.baselines,
            "backup": self.backup,
            "rehearsal": self.rehearsal,
        }


@dataclass(frozen=True)
class Tripped:
    """A hard guard that has tripped, in words; ``environment`` where it is not green's fault."""

    words: str
    environment: bool = False


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What evidence says of the first ``seconds`` of a window; ``whole`` is all that it says."""

    window: int
    verdict: Verdict
    seconds: float
    words: str = ""
    whole: Judgement | None = None


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One look.

    Args:
        now: wall-clock seconds; it may jump.
        copies: by agent and arm. What is not named is unknown, so absent ones must be named too.
        routed: generation of the routing that the gateway has confirmed, None while it is away.
        told: number of the last moment that was announced and written down.
    """

    now: float
    copies: Mapping[tuple[str, Arm], Copy] = field(default_factory=dict)
    routed: int | None = None
    preflight: Preflight = Preflight()
    guards: tuple[Tripped, ...] = ()
    judged: Judged | None = None
    told: int = 0

    def copy(self, agent: str, arm: Arm) -> Copy:
        return self.copies.get((agent, arm), Copy())

    def healthy(self, agent: str, arm: Arm) -> bool:
        return self.copy(agent, arm).health is Health.HEALTHY

    def fallen(self, agent: str, arm: Arm) -> bool:
        """Known not to be healthy."""
        return self.copy(agent, arm).health not in (Health.HEALTHY, Health.UNKNOWN)

    def absent(self, agent: str, arm: Arm) -> bool:
        return self.copy(agent, arm).health is Health.ABSENT

    def all_healthy(self, agents: Iterable[str], arm: Arm) -> bool:
        return all(self.healthy(agent, arm) for agent in agents)
