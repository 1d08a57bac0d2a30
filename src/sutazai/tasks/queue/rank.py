"""The order of the queue: by priority, and by age within it, so that nothing waits for ever. Pure.

A task's rank is the time at which a task of high priority would have had to come to be done at the
same place. It never changes, so the table can hold it in an index, and yet tasks age: one of low
priority goes before one of high priority that came `STEP` x 2 later.
"""

from __future__ import annotations

from sutazai.fleet.declared import Priority

STEP = 120.0
"""Seconds of waiting that weigh as much as one step of priority."""

STEPS = {Priority.HIGH: 0, Priority.MEDIUM: 1, Priority.LOW: 2}


def rank(priority: Priority | None, since: float) -> float:
    """The place of a task that can be done ``since`` then (seconds since 1970); the lowest is
    first. Without a priority it is medium."""
    return since + STEP * STEPS[priority or Priority.MEDIUM]
