"""Figures and states in words and colours. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sutazai.fleet.alerting import Severity
from sutazai.fleet.status import State
from sutazai.fleet.units import format_duration
from sutazai.fleet.work import WorkState

CLASSES = {
    State.HEALTHY: "well",
    State.EXTERNAL: "well",
    State.ASLEEP: "asleep",
    State.FROZEN: "asleep",
    State.STOPPED: "asleep",
    State.NOT_INSTALLED: "asleep",
    State.STARTING: "busy",
    State.WAITING: "busy",
    State.STOPPING: "busy",
    State.UNHEALTHY: "warned",
    State.BACKING_OFF: "warned",
    State.FAILED: "failed",
}
"""The class of the style sheet for each state."""

WORK = {
    WorkState.WAITING: "warned",
    WorkState.PENDING: "asleep",
    WorkState.RUNNING: "busy",
    WorkState.DONE: "well",
    WorkState.FAILED: "failed",
    WorkState.CANCELLED: "asleep",
    WorkState.EXPIRED: "failed",
    WorkState.SHED: "failed",
}
SEVERITIES = {Severity.CRITICAL: "failed", Severity.WARNING: "warned", Severity.INFO: "busy"}


def colour(state: State | str) -> str:
    """The class that shows ``state``; what is not known looks busy."""
    return CLASSES.get(State(state), "busy") if state in State.__members__.values() else "busy"


def ago(seconds: float) -> str:
    """``12s ago``; ``now`` below a second."""
    return "now" if seconds < 1 else f"{format_duration(int(seconds))} ago"


def clock(at: float) -> str:
    """A time since 1970 as people read it on this machine: ``2026-11-21 14:03:09``."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def took(began: float | None, ended: float | None) -> str:
    """How long something took that has ended."""
    return format_duration(ended - began) if began is not None and ended is not None else ""


def readable(value: Any) -> str:
    """A text as it is, any other JSON value indented."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
