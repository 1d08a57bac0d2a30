"""What agents say that fetch their tasks themselves: the four calls of the old system.

Names and forms are those of the old system. Fields that stand here and nowhere else were optional
there, too, and what is not known is let through: these programs cannot be changed.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sutazai.fleet.shapes import Shape

BEAT = 30.0
"""Seconds between two heartbeats."""
MISSED = 3
"""Heartbeats that may be missed before a registration expires."""

_NOT_WELL = ("failed", "failure", "error", "timeout", "cancelled")


class Registration(Shape):
    """`POST /api/agents/register`: a life of an agent begins."""

    agent_name: str = Field("", max_length=200)
    agent_type: str = Field("", max_length=200)
    agent_version: str = Field("", max_length=200)
    model: str | None = Field(None, max_length=200)
    status: str = Field("", max_length=200)


class Heartbeat(Shape):
    """`POST /api/agents/heartbeat`: it lives."""

    agent_name: str = Field("", max_length=200)
    status: str = Field("", max_length=200)


class Completion(Shape):
    """`POST /api/tasks/complete`: how a task ended.

    ``task_id`` is the ``id`` that the task was handed out with.
    """

    task_id: str = Field(max_length=200)
    status: str = ""
    result: Any = None
    processing_time: float | None = None
    error: Any = None

    @property
    def went_well(self) -> bool:
        """Whether it says so; one that names no status has a result."""
        return not self.error and self.status.lower() not in _NOT_WELL


class Fetcher(Shape):
    """An agent that registered. ``since`` and ``beat`` are seconds since 1970."""

    agent: str
    since: float
    beat: float
    said: Registration = Registration()
