"""What a rollout is: as a fleet file declares it, and as it is kept and shown while it goes on.

A rollout moves agents from one version to another, cohort by cohort. *Blue* is the old version,
*green* the new one. A *baseline* is fresh instances of the old version beside some of a cohort's
green ones, so that both begin alike while they are compared. Times are wall-clock seconds,
durations seconds.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from sutazai.fleet.declared import Interval, Name, Spec, wrong
from sutazai.fleet.rollout_findings import Judgement
from sutazai.fleet.shapes import Shape
from sutazai.fleet.units import Duration

MINUTE = 60.0
HOUR = 3600.0


class Arm(StrEnum):
    """Which instances of an agent: the old version, the new one, or fresh ones of the old."""

    BLUE = "blue"
    GREEN = "green"
    BASELINE = "baseline"


class NoTraffic(StrEnum):
    """What is done where the evidence of a phase is inconclusive at its end."""

    WAIT = "wait"
    EXTEND = "extend"
    REPLAY = "replay"
    ASK = "ask"


class Step(StrEnum):
    """Where a rollout stands."""

    PENDING = "pending"
    BASELINE_UP = "baseline-up"
    SHIFT = "shift"
    WARM = "warm"
    MEASURE = "measure"
    SETTLE = "settle"
    VALIDATE = "validate"
    BAKE = "bake"
    FINISH = "finish"
    SUCCEEDED = "succeeded"
    PAUSED = "paused"
    INCONCLUSIVE = "inconclusive"
    ABORTING = "aborting"
    HALTED = "halted"
    ROLLED_BACK = "rolled-back"


ENDED = frozenset({Step.SUCCEEDED, Step.ROLLED_BACK})
GOES_BACK = frozenset({Step.ABORTING, Step.HALTED})


class Phase(Spec):
    """One cohort: all agents up to a share of them, or those that are named."""

    name: Name | None = Field(None, description="What people see; without it, its share.")
    percent: float | None = Field(
        None, gt=0, le=100, description="Share of the changed agents that are moved by its end."
    )
    agents: tuple[Name, ...] = Field(
        (), description="Agents, groups or pools that are moved in it, in place of a share."
    )
    lasts: Interval = Field(
        30 * MINUTE, alias="for", description="How long it is measured before it can pass."
    )

    @model_validator(mode="after")
    def _says_who(self) -> Self:
        if (self.percent is None) == (not self.agents):
            raise wrong("percent", "give either `percent` or `agents`")
        return self


PHASES = tuple(
    Phase.model_validate({"percent": percent, "for": lasts})
    for percent, lasts in ((10, "30m"), (25, "45m"), (50, "60m"), (100, "75m"))
)
ORDER = (
    ("monitoring", "logging", "metrics"),
    ("development", "testing"),
    ("business", "api", "workflow", "specialised", "ai-ml"),
)
"""Least risk first: groups or pools; then all others, and the critical ones at last."""


class RolloutPlan(Spec):
    """How agents are moved to a new version."""

    phases: tuple[Phase, ...] = Field(
        PHASES, min_length=1, description="Cohorts in order; the last one takes all that are left."
    )
    order: tuple[tuple[Name, ...], ...] = Field(
        ORDER,
        description="Agents, groups or pools, least risk first; others follow, critical ones last.",
    )
    canary: float = Field(
        50,
        gt=0,
        le=100,
        description="Percent of the new work of agents that are compared for the new version; the "
        "rest goes to a fresh baseline of the old one. 100 measures without a baseline.",
    )
    warm: Duration = Field(MINUTE, description="Time before a cohort is measured.")
    validation: Interval = Field(
        30 * MINUTE, alias="validate", description="How long all are measured after the last phase."
    )
    bake: Duration = Field(4 * HOUR, description="How long the old version is kept ready.")
    no_traffic: NoTraffic = Field(
        NoTraffic.EXTEND,
        description="Evidence that says nothing: `wait` for it, `extend` the phase, `replay` "
        "inputs of tasks meanwhile (of agents that are `replayable`), or `ask` a person. What "
        "still says nothing after that is a person's to decide.",
    )
    extension: Duration = Field(HOUR, description="Most time that a phase is extended or held up.")
    preflight: Interval = Field(15 * MINUTE, description="Time for what is done beforehand.")
    start: Interval = Field(5 * MINUTE, description="Time for new instances to become healthy.")
    drain: Duration = Field(10 * MINUTE, description="Time for work in hand before its end.")

    @model_validator(mode="after")
    def _phases_are_of_one_kind_and_rise(self) -> Self:
        shares = [phase.percent for phase in self.phases]
        known = [share for share in shares if share is not None]
        if known and (len(known) < len(shares) or known[-1] != 100):
            raise wrong("phases", "phases by `percent` are all by percent, and the last is 100")
        if any(later <= earlier for earlier, later in pairwise(known)):
            raise wrong("phases", "each phase's `percent` must be above the one before it")
        return self


def beside(agents: int) -> int:
    """How many copies may be awake beside those that serve, where so many agents move: a tenth
    more. A baseline and green of one agent must find room."""
    return max(2, agents // 10)


class Stage(Shape):
    """A phase with the agents that it moves; ``lasts`` is seconds of measuring, and ``compared``
    are those that get a baseline."""

    name: str
    agents: tuple[str, ...]
    lasts: float
    compared: tuple[str, ...] = ()


class Moment(Shape):
    """Something that happened in a rollout, numbered from 1."""

    number: int
    at: float
    step: Step
    text: str


class RolloutState(Shape):
    """A rollout as it is kept: everything that it takes to go on.

    Args:
        before, after: revisions that agents are moved from and to.
        was: the step that a pause or a lack of evidence has interrupted.
        phase: index of the present one of ``stages``; their number once all are done.
        since: when this step began; ``looked`` is the last look.
        elapsed: seconds that count for this step: while the gateway serves the routing that is
            wanted and nothing holds it up. A look counts for little, however far the clock jumped.
        generation: number of the routing that is wanted, 0 before the first change.
        moved: agents whose new work goes to green; all others have theirs with blue.
        split: whether those that are compared in the present phase share it with their baseline.
        blue, green, baseline: agents whose instances of that arm are to run.
        window: number of the present window of evidence, 0 before the first; ``opened`` is when it
            began, and ``extended`` by how many seconds it is longer than declared.
        tries: how often this phase has begun.
        trouble: what holds everything up that is not the new version's fault; ``held`` is for how
            many seconds in this phase.
        alone: agents whose only healthy copy is the one that should end.
        kept: those of them that a person has left as they are.
        evidence: what it said last, None before anybody was asked.
        failed: why it goes back, or empty.
        reason: what the last change of step was about.
    """

    id: str
    before: int
    after: int
    plan: RolloutPlan
    stages: tuple[Stage, ...]
    step: Step = Step.PENDING
    was: Step | None = None
    phase: int = 0
    since: float = 0.0
    looked: float = 0.0
    elapsed: float = 0.0
    generation: int = 0
    moved: tuple[str, ...] = ()
    split: bool = False
    blue: tuple[str, ...] = ()
    green: tuple[str, ...] = ()
    baseline: tuple[str, ...] = ()
    window: int = 0
    opened: float = 0.0
    extended: float = 0.0
    tries: int = 0
    trouble: str = ""
    held: float = 0.0
    alone: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    evidence: Judgement | None = None
    failed: str = ""
    reason: str = ""
    history: tuple[Moment, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it still goes on; as long as it does, no other one may begin."""
        return self.step not in ENDED

    @property
    def agents(self) -> tuple[str, ...]:
        """All agents that it moves, in order."""
        return tuple(agent for stage in self.stages for agent in stage.agents)

    @property
    def cohort(self) -> tuple[str, ...]:
        """The agents of the present phase; empty once all phases are done."""
        return self.stages[self.phase].agents if self.phase < len(self.stages) else ()

    @property
    def compared(self) -> tuple[str, ...]:
        """The agents of the present phase that get a baseline; empty once all phases are done."""
        return self.stages[self.phase].compared if self.phase < len(self.stages) else ()

    @property
    def beside(self) -> int:
        """How many copies may be awake beside those that serve."""
        return beside(len(self.agents))


class RolloutView(Shape):
    """A rollout as people see it; ``told`` says in a sentence where it stands."""

    number: int
    told: str
    state: RolloutState
