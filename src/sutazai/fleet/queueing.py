"""The queue of durable tasks, as a fleet file declares it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from sutazai.fleet.declared import Interval, Spec, wrong

DAY = 86_400.0


class TaskOverflow(StrEnum):
    """What is done with a task that finds the queue full."""

    REJECT = "reject"
    SHED_LOWEST = "shed-lowest"
    ANOTHER_AGENT = "another-agent"


class TaskQueue(Spec):
    """Bounds of the queue of durable tasks."""

    queue: int = Field(10_000, ge=1, le=1_000_000, description="Most tasks that have not ended.")
    queue_per_target: int | None = Field(
        None, ge=1, description="Most of them for one agent, capability or group."
    )
    queue_per_giver: int = Field(
        1_000, ge=1, description="Most of them that one agent has given to others."
    )
    overflow: TaskOverflow = Field(
        TaskOverflow.REJECT,
        description="What a full queue does: `reject` the task, `shed-lowest` (a less urgent one "
        "makes room) or `another-agent` (of the same capability or group, where `queue_per_target` "
        "is reached).",
    )
    concurrency: int = Field(
        64, ge=1, le=10_000, description="Most tasks that are worked on at once, in all processes."
    )
    keep: Interval = Field(30 * DAY, description="How long done and cancelled tasks are kept.")
    keep_dead: Interval = Field(
        30 * DAY, description="How long failed, expired and shed tasks are kept."
    )

    @model_validator(mode="after")
    def _another_agent_needs_a_bound_of_one(self) -> Self:
        if self.overflow is TaskOverflow.ANOTHER_AGENT and self.queue_per_target is None:
            raise wrong("overflow", "`overflow: another-agent` needs `queue_per_target`")
        return self
