"""How many instances of an awake unit there should be. Pure.

More are started while calls wait: once the longest has waited for the stated time, and all that
were asked for before are ready, as many as the calls in hand need, twice as many at most. Fewer run
again once fewer would have done for the cooldown: one ends at a time, and only an idle one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from sutazai.fleet.desired import Scaling
from sutazai.fleet.units import format_duration

SETTLES = 3.0
"""Seconds from one growth to the next, in which the waiting calls find the new instances."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """One unit's work now; ``now`` and ``wait`` in seconds.

    Args:
        least: instances that it has in any case.
        concurrency: calls that one instance takes at once.
        ready: instances that take calls.
        idle: of these, those without work.
        calls: in hand, those that wait among them.
        waiting: for an instance or for room on one, the longest for ``wait``.
    """

    now: float
    least: int
    concurrency: int
    ready: int
    idle: int
    calls: int
    waiting: int
    wait: float

    @property
    def needed(self) -> int:
        """Instances that have room for all calls."""
        return ceil(self.calls / self.concurrency)


@dataclass(frozen=True)
class Scale:
    """How many instances are wanted, since when, and since when more than are needed."""

    target: int
    since: float = float("-inf")
    spare_since: float | None = None


def rescaled(scale: Scale, load: Load, rule: Scaling) -> Scale:
    """What follows from ``load``."""
    scale = replace(scale, target=min(max(scale.target, load.least), rule.most))
    if load.waiting and load.wait >= rule.wait:
        return _grown(scale, load, rule)
    if scale.target <= max(load.needed, load.least):
        return replace(scale, spare_since=None)
    return _shrunk(scale, load, rule)


def _grown(scale: Scale, load: Load, rule: Scaling) -> Scale:
    scale = replace(scale, spare_since=None)
    settled = load.ready >= scale.target and load.now >= scale.since + SETTLES
    wanted = min(load.needed, max(1, 2 * scale.target), rule.most)
    return Scale(wanted, load.now) if settled and wanted > scale.target else scale


def _shrunk(scale: Scale, load: Load, rule: Scaling) -> Scale:
    since = load.now if scale.spare_since is None else scale.spare_since
    if load.idle and load.now >= since + rule.cooldown:
        return Scale(scale.target - 1, load.now, load.now)
    return replace(scale, spare_since=since)


def told(before: Scale, after: Scale, load: Load, rule: Scaling) -> str:
    """A change in words."""
    change = f"scaled from {before.target} to {after.target}"
    if after.target > before.target:
        wait = format_duration(round(load.wait, 1))
        verb = "waits" if load.waiting == 1 else "wait"
        return f"{change}: {_calls(load.waiting)} {verb}, {wait} the longest"
    room = before.target * load.concurrency
    return (
        f"{change}: {_calls(load.calls)} in hand, with room for {room}, "
        f"for {format_duration(rule.cooldown)}"
    )


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number} calls"
