"""What follows an attempt that failed: another one, or the end. Pure.

Three kinds of failure are counted apart: instances that died under the task, ways to the agent that
broke, and everything that the agent itself did wrong. Only of the last kind does the task say how
often it is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sutazai.fleet.errors import (
    InstanceLost,
    PoisonTask,
    QueueFull,
    SutazaiError,
    TaskLost,
    from_dict,
)
from sutazai.fleet.work import Attempt
from sutazai.tasks.retries import NOT_THE_AGENTS, Retries

DEATHS = 3
"""Instances that a task may kill before it is set aside."""
WAY = (*NOT_THE_AGENTS, QueueFull)
UNCOUNTED = (InstanceLost, TaskLost, *WAY)


@dataclass(frozen=True)
class Patience:
    """How often failures that are not the agent's answer are overlooked.

    A task outlives a gateway that is killed again and again, which is started again within 72 s.
    """

    way: Retries
    deaths: Retries


PATIENCE = Patience(Retries(9, first=0.25), Retries(DEATHS - 1))


@dataclass(frozen=True)
class Again:
    """Another attempt, after so many seconds."""

    delay: float


def after(
    error: SutazaiError, earlier: Sequence[Attempt], own: Retries, patience: Patience = PATIENCE
) -> Again | SutazaiError:
    """What follows ``error``, after the attempts that failed before: another attempt, or the error
    that the task ends with."""
    before = [from_dict(attempt.error) for attempt in earlier if attempt.error]
    rule, kinds = _rule(error, own, patience)
    failures = 1 + sum(_is_of(each, kinds) for each in before)
    delay = rule.delay(failures, error)
    if delay is not None:
        return Again(delay)
    return _set_aside(error, earlier, failures) if isinstance(error, InstanceLost) else error


def _rule(
    error: SutazaiError, own: Retries, patience: Patience
) -> tuple[Retries, tuple[type[SutazaiError], ...]]:
    if isinstance(error, InstanceLost):
        return patience.deaths, (InstanceLost,)
    return (patience.way, WAY) if isinstance(error, WAY) else (own, ())


def _is_of(error: SutazaiError, kinds: tuple[type[SutazaiError], ...]) -> bool:
    return isinstance(error, kinds) if kinds else not isinstance(error, UNCOUNTED)


def _set_aside(error: SutazaiError, earlier: Sequence[Attempt], deaths: int) -> PoisonTask:
    told = [attempt.error for attempt in earlier if attempt.error] + [error.as_dict()]
    exits = [
        str(each.get("data", {}).get("exit", "it died"))
        for each in told
        if each["code"] == "InstanceLost"
    ]
    return PoisonTask(
        f"{deaths} instances died while they worked on it: {exits[-1]}",
        hint="look at what it asks for; sutazai dead replay gives it another chance",
        exits=exits,
        lines=error.data.get("lines", []),
    )
