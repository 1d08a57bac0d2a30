"""When a new version is good enough, and when it goes back, as the user declares it.

A share is written as ``99.5%`` or ``0.995``; one against the old version as ``150%`` or ``1.5``.
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from sutazai.fleet.declared import Spec, wrong

_PERCENT = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*%\s*")


def _share(value: object) -> object:
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) / 100 if match else value


Share = Annotated[float, BeforeValidator(_share), Field(ge=0, le=1)]
"""A part of a whole, from 0 to 1."""

Against = Annotated[float, BeforeValidator(_share), Field(ge=1, le=100)]
"""The new version's figure by the old one's, where more is worse."""


class Limits(Spec):
    """What a new version may differ by. One that is proven to be beyond goes back."""

    errors: Share = Field(0.001, description="Rise of the share of requests that fail.")
    p95: Against = Field(1.5, description="95th percentile of response times, against the old.")
    tasks_completed: Share = Field(0.995, description="Share of tasks that must be completed.")
    task_rate: Share = Field(0.95, description="Tasks done per time, against the old version.")
    tool_errors: Share = Field(0.01, description="Rise of the share of tool calls that fail.")
    llm_success: Share = Field(0.99, description="Share of LLM calls that must succeed.")
    tokens: Against = Field(1.2, description="Tokens per task, against the old version.")
    memory: Against = Field(1.2, description="Memory, against the old version.")
    cpu: Against = Field(1.1, description="CPU time, against the old version.")


class Effects(Spec):
    """What must not go unseen: nothing passes before an effect of this size is ruled out."""

    share: Share = Field(0.05, description="Rise of the share of failed requests, tasks or calls.")
    p95: Against = Field(2.0, description="95th percentile of response times, against the old.")
    task_rate: Share = Field(0.8, description="Tasks done per time, against the old version.")
    tokens: Against = Field(1.5, description="Tokens per task, against the old version.")
    memory: Against = Field(1.5, description="Memory, against the old version.")
    cpu: Against = Field(1.5, description="CPU time, against the old version.")


class AutomaticRollback(Spec):
    """What ends a rollout at once, without statistics."""

    memory: Share = Field(0.9, description="Memory of an instance, as a share of its limit.")
    errors: Share = Field(0.05, description="Share of an agent's requests that fail.")
    llm_failures: Share = Field(0.1, description="Share of LLM calls that fail.")
    breaker_trips: int = Field(3, ge=0, description="Breaker trips in a minute that are borne.")
    failed_checks: int = Field(2, ge=0, description="Failed health checks in a row, borne.")


class RolloutCriteria(Spec):
    """What a rollout is judged by."""

    phases: Limits = Field(Limits(errors=0.0), description="Limits in all phases but the last.")
    end: Limits = Field(Limits(), description="Limits in the last one, the bake.")
    effects: Effects = Effects()
    rollback: AutomaticRollback = AutomaticRollback()
    minimum_sample: int = Field(100, ge=10, description="Requests or tasks of each version.")
    false_alarms: Share = Field(
        0.01, gt=0, lt=0.5, description="Most rollouts of a good version that may go back."
    )
    misses: Share = Field(
        0.05, gt=0, lt=0.5, description="Chance that an effect of the size above is passed."
    )

    @model_validator(mode="after")
    def _effects_are_beyond_the_limits(self) -> Self:
        for limits in (self.phases, self.end):
            for key in ("p95", "tokens", "memory", "cpu"):
                if getattr(self.effects, key) <= getattr(limits, key):
                    raise wrong("effects", f"`{key}` must be larger than the limit `{key}`")
            if self.effects.task_rate >= limits.task_rate:
                raise wrong("effects", "`task_rate` must be less than the limit `task_rate`")
            if self.effects.share <= max(limits.errors, limits.tool_errors):
                raise wrong("effects", "`share` must be larger than the rise that is allowed")
        return self
