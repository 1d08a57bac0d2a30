"""What whoever calls for a unit is told where no instance becomes ready. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sutazai.fleet.errors import DeadlineExceeded, Unavailable
from sutazai.fleet.status import State

DEADLINE = 30.0
"""Seconds that a unit has to be ready."""
TRIES = 3
"""Ends in a row after which whoever waits is told why it fails."""
WHAT_TO_DO = {
    State.STOPPED: "sutazai agents start {name}",
    State.FAILED: "sutazai agents logs {name}; then sutazai agents start {name}",
    State.NOT_INSTALLED: "sutazai agents show {name} says what to install",
}
"""States from which asking for it does not wake a unit, with the way out of each."""


def check(name: str, state: State, reason: str, past: Mapping[str, Any]) -> None:
    """Raises Unavailable where a unit cannot be woken from ``state``.

    Args:
        past: what is told of the last end of an instance.
    """
    if state in WHAT_TO_DO:
        because = f": {reason}" if reason else ""
        hint = WHAT_TO_DO[state].format(name=name)
        raise Unavailable(f"{name} is {state}{because}", hint=hint, **past)


def not_installed(name: str, program: str) -> Unavailable:
    """It cannot be started for want of a program."""
    return Unavailable(
        f"{name} is not installed: {program} is not on this machine",
        hint=WHAT_TO_DO[State.NOT_INSTALLED].format(name=name),
    )


def given_up(name: str, reason: str, past: Mapping[str, Any]) -> Unavailable:
    """It was tried often enough."""
    return Unavailable(f"{name} does not start: {reason}", **past)


def too_late(name: str, reason: str, past: Mapping[str, Any]) -> DeadlineExceeded:
    """It was not ready in time."""
    because = f": {reason}" if reason else ""
    return DeadlineExceeded(f"{name} was not ready after {DEADLINE:.0f} s{because}", **past)
