"""The beginning of a rollout. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sutazai.fleet.rollouts import RolloutPlan, RolloutState, Stage, Step
from sutazai.rollout.machine.steps import enter


def begin(
    rollout: str,
    plan: RolloutPlan,
    stages: Sequence[Stage],
    *,
    before: int,
    after: int,
    now: float,
) -> RolloutState:
    """A rollout of ``stages`` (of one agent at least) from revision ``before`` to ``after``."""
    agents = tuple(agent for stage in stages for agent in stage.agents)
    state = RolloutState(
        id=rollout,
        before=before,
        after=after,
        plan=plan,
        stages=tuple(stages),
        blue=agents,
        looked=now,
    )
    text = f"{len(agents)} agents are to move from revision {before} to {after}"
    return enter(state, Step.PENDING, text, now=now)
