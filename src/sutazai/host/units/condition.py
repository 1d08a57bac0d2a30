"""Where a unit stands, and why, from what is known of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.spec import Runtime
from sutazai.fleet.status import Exit, State

BEST_FIRST = (State.HEALTHY, State.UNHEALTHY, State.STARTING, State.STOPPING)
"""A unit is as well as the best of its instances."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one unit at one moment.

    Args:
        states: those of its instances.
        wanted: how many instances should run.
        missing: the program or engine that this machine lacks.
        blocked_by: what a start has to wait for.
        backing_off: whether it is too early to start it again.
        failed: whether it ended too often.
        ends: how often it ended in a row.
        trouble: what is wrong with its instances.
        withheld_for: why it runs fewer instances than it should, the last reason last.
    """

    spec: DesiredUnit
    states: frozenset[State] = frozenset()
    wanted: int = 0
    missing: str | None = None
    blocked_by: tuple[str, ...] = ()
    backing_off: bool = False
    failed: bool = False
    ends: int = 0
    last_exit: Exit | None = None
    trouble: Sequence[str] = ()
    withheld_for: Sequence[str] = ()


def state_of(known: Known) -> State:
    """The best of its instances, or why it has none."""
    return best_of(known.states) or _without(known)


def best_of(states: Iterable[State]) -> State | None:
    """The best state of instances; None where none of them says how their unit is."""
    found = frozenset(states)
    return next((state for state in BEST_FIRST if state in found), None)


def reason_of(known: Known) -> str:
    """Why it is so, in words; empty where there is nothing to say."""
    if known.trouble:
        return known.trouble[0]
    if known.blocked_by:
        return f"waits for {', '.join(known.blocked_by)}"
    if known.missing is not None:
        return f"{known.missing} is not on this machine"
    if (known.failed or not known.states) and known.last_exit and known.ends:
        return known.last_exit.reason
    if known.states == {State.FROZEN}:
        return "frozen: it stands still, with its memory in swap, until it is called"
    return known.withheld_for[-1] if known.withheld_for and not known.states else ""


def _without(known: Known) -> State:
    """Why it has no instance."""
    if known.spec.stopped:
        return State.STOPPED
    if known.spec.runtime is Runtime.REMOTE:
        return State.EXTERNAL
    if known.failed:
        return State.FAILED
    if known.missing is not None:
        return State.NOT_INSTALLED
    if known.wanted == 0:
        return State.ASLEEP
    if known.blocked_by:
        return State.WAITING
    return State.BACKING_OFF if known.backing_off else State.STARTING
